package broker

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// next is what a member of the consumer protocol is told of its next heartbeat.
func (w *wire) next(group string, epoch int32) (intervalMs, memberEpoch int32) {
	w.t.Helper()
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID, req.MemberEpoch, req.RebalanceTimeoutMillis = group, "m", epoch, 60_000
	req.SubscribedTopicNames, req.Topics = []string{"a"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	resp := ask[*kmsg.ConsumerGroupHeartbeatResponse](w, 1, req)
	if resp.ErrorCode != 0 {
		w.t.Fatalf("heartbeat: code %d: %s", resp.ErrorCode, text(resp.ErrorMessage))
	}
	return resp.HeartbeatIntervalMillis, resp.MemberEpoch
}

// Goal: what a group sets stands above what the broker has, is told, and holds for
// the group's very next heartbeat and for no other group.
func TestAGroupHasSettingsOfItsOwn(t *testing.T) {
	s, _ := startServer(t, quickConsumers)
	w := dial(t, s.Addr(""))
	const name = "consumer.heartbeat.interval.ms"
	var story []string
	tell := func() {
		c := w.described(ofGroup, "g", name)
		line := fmt.Sprintf("%s from %d:", text(c.Value), c.Source)
		for _, syn := range c.ConfigSynonyms {
			line += fmt.Sprintf(" %s=%s(%d)", syn.Name, text(syn.Value), syn.Source)
		}
		story = append(story, line)
	}
	tell()
	interval, epoch := w.next("g", 0)
	otherInterval, _ := w.next("h", 0)
	w.change(ofGroup, "g", opSet, name, "70")
	tell()
	if now, _ := w.next("g", epoch); interval != 50 || otherInterval != 50 || now != 70 {
		t.Errorf("the group beats every %d ms, another every %d, and after the change every %d", interval, otherInterval, now)
	}
	w.change(ofGroup, "g", opDelete, name, "")
	tell()
	if now, _ := w.next("g", epoch); now != 50 {
		t.Errorf("without a setting of its own the group beats every %d ms", now)
	}
	const want = `50 from 4: group.consumer.heartbeat.interval.ms=50(4) group.consumer.heartbeat.interval.ms=5000(5)
70 from 8: consumer.heartbeat.interval.ms=70(8) group.consumer.heartbeat.interval.ms=50(4) group.consumer.heartbeat.interval.ms=5000(5)
50 from 4: group.consumer.heartbeat.interval.ms=50(4) group.consumer.heartbeat.interval.ms=5000(5)`
	if got := strings.Join(story, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSettingsOfGroupsAreRefusedInKafkasWords(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	for _, c := range []struct {
		group, name, value string
		want               *kerr.Error
		says               string
	}{
		{"g", "consumer.session.timeout.ms", "1", kerr.InvalidConfig, "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms"},
		{"g", "consumer.session.timeout.ms", "60001", kerr.InvalidConfig, "consumer.session.timeout.ms must be less than or equal to group.consumer.max.session.timeout.ms"},
		{"g", "consumer.heartbeat.interval.ms", "1", kerr.InvalidConfig, "consumer.heartbeat.interval.ms must be greater than or equal to group.consumer.min.heartbeat.interval.ms"},
		{"g", "consumer.heartbeat.interval.ms", "15001", kerr.InvalidConfig, "consumer.heartbeat.interval.ms must be less than or equal to group.consumer.max.heartbeat.interval.ms"},
		{"g", "consumer.heartbeat.interval.ms", "soon", kerr.InvalidConfig, "Invalid value soon for configuration consumer.heartbeat.interval.ms: Not a number of type INT"},
		{"g", "no.such.config", "1", kerr.InvalidConfig, "Unknown group config name: no.such.config"},
		{"", "consumer.session.timeout.ms", "50000", kerr.InvalidRequest, "Default group resources are not allowed."},
		{strings.Repeat("g", 2000), "consumer.session.timeout.ms", "50000", kerr.InvalidRequest, "2000 bytes"},
	} {
		got := ask[*kmsg.IncrementalAlterConfigsResponse](w, 1, changeResourceRequest(ofGroup, c.group, opSet, c.name, c.value)).Resources[0]
		if got.ErrorCode != c.want.Code || !strings.Contains(text(got.ErrorMessage), c.says) {
			t.Errorf("%.10s %s=%s: code %d: %s", c.group, c.name, c.value, got.ErrorCode, text(got.ErrorMessage))
		}
	}
	if got := ask[*kmsg.DescribeConfigsResponse](w, 4, describeConfigsRequest(ofGroup, "")).Resources[0]; got.ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("no group: code %d", got.ErrorCode)
	}
}

func TestAlterConfigsReplacesAllOfAGroup(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.change(ofGroup, "g", opSet, "consumer.session.timeout.ms", "50000")
	got := ask[*kmsg.AlterConfigsResponse](w, 2, replaceConfigsRequest(ofGroup, "g", "consumer.heartbeat.interval.ms", "6000")).Resources[0]
	if got.ErrorCode != 0 {
		t.Fatalf("code %d: %s", got.ErrorCode, text(got.ErrorMessage))
	}
	if c := w.described(ofGroup, "g", "consumer.session.timeout.ms"); text(c.Value) != "45000" || c.Source != 5 {
		t.Errorf("what was not named is %s from %d", text(c.Value), c.Source)
	}
	if c := w.described(ofGroup, "g", "consumer.heartbeat.interval.ms"); text(c.Value) != "6000" || c.ConfigType != kmsg.ConfigTypeInt {
		t.Errorf("what was named is %s of type %v", text(c.Value), c.ConfigType)
	}
}
