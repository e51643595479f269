package broker

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/coordinator/settings"
)

// The lag that dashboards made for kafka_exporter show is there under its names.
func TestLagIsShownUnderTheNamesOfKafkaExporter(t *testing.T) {
	s, cl := startServer(t, withoutDelay, func(c *Config) { c.HTTPAddr = "127.0.0.1:0" })
	w := dial(t, s.Addr(""))
	w.createTopic("v", 2)
	write(t, cl, "v", 0, 1, 2, 3)
	write(t, cl, "v", 1, 1)
	c := consumer{w: w, group: "g"}
	c.join(9)
	c.sync(5)
	c.commit(9, "v", 0, 1)
	c.commit(9, "v", 1, 1)
	(&consumer{w: w, group: "g", member: "stranger"}).join(9)
	resp, err := http.Get("http://" + s.HTTPAddr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`kafka_consumergroup_members{consumergroup="g"} 1`,
		`kafka_consumergroup_current_offset{consumergroup="g",partition="0",topic="v"} 1`,
		`kafka_consumergroup_lag{consumergroup="g",partition="0",topic="v"} 2`,
		`kafka_consumergroup_lag{consumergroup="g",partition="1",topic="v"} 0`,
		`kafka_consumergroup_current_offset_sum{consumergroup="g",topic="v"} 2`,
		`kafka_consumergroup_lag_sum{consumergroup="g",topic="v"} 2`,
		`lockstep_groups{state="Stable"} 1`,
		`lockstep_requests_total{api="JoinGroup",error="UNKNOWN_MEMBER_ID"} 1`,
	} {
		if !strings.Contains(string(body), line+"\n") {
			t.Errorf("there is no %s", line)
		}
	}
}

// Every setting of groups is shown by DescribeConfigs, under Kafka's name, and
// the defaults of both tables agree.
func TestTheSettingsOfGroupsAreShownByKafkasNames(t *testing.T) {
	for name, value := range (GroupConfig{}).withDefaults().settings() {
		if d, ok := settings.LookupBroker(name); !ok || d.Default != value || !d.ReadOnly {
			t.Errorf("%s is %s here, and %+v in the table", name, value, d)
		}
	}
	s, _ := startServer(t, withoutDelay)
	w := dial(t, s.Addr(""))
	req := describeConfigsRequest(kmsg.ConfigResourceTypeBroker, "1", "group.initial.rebalance.delay.ms", "group.max.size")
	got := ask[*kmsg.DescribeConfigsResponse](w, 4, req).Resources[0].Configs
	if len(got) != 2 || text(got[0].Value) != "0" || text(got[1].Value) != "10000" {
		t.Errorf("got %+v", got)
	}
}
