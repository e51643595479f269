package broker

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/admin"
	"github.com/lockstep-log/lockstep/protocol"
)

// With too few replicas in sync acks=all is refused, health says so, and reading
// goes on.
func TestHealthTellsWhatIsWrongAndWhy(t *testing.T) {
	// Replicas leave the ISR because their broker is down, and not because this
	// machine has other things to do.
	ps := startPeers(t, 3, func(c *Config) { c.LagTimeMax = time.Hour })
	ps.create("wide", 1, 1, 2, 3)
	cl := ps.client(kgo.RecordRetries(0))
	write(t, cl, "wide", 0, 1000)
	if h := ps.all[1].health(); !h.Healthy || h.Degraded {
		t.Fatalf("all well: %+v", h)
	}
	ps.halt(3)
	var h *admin.Health
	ps.await("broker 3 to be missed", func() bool {
		h = ps.all[1].health()
		return len(h.UnderReplicated) == 1 && h.UnderReplicated[0].Reason == "broker 3 is down"
	})
	if !h.Healthy || !h.Degraded || !slices.Equal(h.Brokers, []protocol.BrokerID{1, 2}) {
		t.Fatalf("one is down: %+v", h)
	}
	for name, want := range map[string]float64{
		"lockstep_partitions_led": 1, "lockstep_partitions_under_replicated": 1, "lockstep_partitions_under_min_isr": 0,
		"lockstep_partitions_leaderless": 0, "lockstep_partitions_offline": 0, "lockstep_metadata_store_available": 1,
	} {
		if got := gauge(t, ps.all[1].Server, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	write(t, cl, "wide", 0, 2000)
	ps.halt(2)
	ps.await("broker 2 to be missed", func() bool {
		h := ps.all[1].health()
		return len(h.UnderMinISR) == 1 && !h.Healthy &&
			h.UnderMinISR[0].Reason == "1 in sync, and acks=all asks for 2; broker 2 is down; broker 3 is down"
	})
	// The image shows it first; until its partition hears of it, the leader appends and waits.
	ps.await("broker 1 to know that it is alone", func() bool { return len(ps.partition(1, "wide", 0).State().ISR) == 1 })
	w := dial(t, ps.all[1].Addr(""))
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 5000
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: "wide", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: conditional(t, 0, nil)}}}}
	if code := ask[*kmsg.ProduceResponse](w, 11, req).Topics[0].Partitions[0].ErrorCode; code != kerr.NotEnoughReplicas.Code {
		t.Fatalf("acks=all with one in sync: code %d", code)
	}
	ps.store.SetDown(true)
	ps.await("the store to be missed", func() bool { return strings.Contains(ps.all[1].health().Store, "since") })
	ps.store.SetDown(false)
	ps.await("the store to be back", func() bool { return ps.all[1].health().Store == "available" })
	ps.restart(2)
	ps.restart(3)
	ps.await("all to be well", func() bool { h := ps.all[1].health(); return h.Healthy && !h.Degraded })
}

// gauge is a metric without labels.
func gauge(t *testing.T, s *Server, name string) float64 {
	t.Helper()
	all, err := s.metrics.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no %s", name)
	return 0
}

// freePort is a port on loopback that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

func httpStatus(t *testing.T, addr, path string) int {
	t.Helper()
	resp, err := http.Get("http://" + addr + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}
