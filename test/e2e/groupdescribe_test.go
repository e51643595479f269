package e2e

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestAGroupOfTheConsumerProtocolIsDescribed: the command line shows it as it
// shows one of the classic protocol, changes its settings, and says when there is none.
func TestAGroupOfTheConsumerProtocolIsDescribed(t *testing.T) {
	b := Start(t, "--topics", "orders:2")
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr), kgo.ConsumerGroup("billing"), kgo.ConsumeTopics("orders"),
		kgo.ServerSideBalancer(), kgo.ClientID("till"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Value: []byte("v")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < 1; {
		n += cl.PollFetches(t.Context()).NumRecords()
	}
	if err := cl.CommitUncommittedOffsets(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, talk, code := b.CLI("", "group", "describe", "billing")
	for _, part := range []string{"GROUP billing  LAG 0  STATE Stable  MEMBERS 1", "orders  0", "orders  1", "till"} {
		if code != 0 || !strings.Contains(out, part) {
			t.Errorf("exit %d, %s; no %q in\n%s", code, talk, part, out)
		}
	}
	if _, talk, code := b.CLI("", "group", "alter", "billing", "--config", "consumer.session.timeout.ms=50000"); code != 0 {
		t.Errorf("exit %d: %s", code, talk)
	}
	if out, _, _ := b.CLI("", "group", "describe", "billing"); !strings.Contains(out, "consumer.session.timeout.ms  50000  group") {
		t.Errorf("no setting of the group in\n%s", out)
	}
	const low = "INVALID_CONFIG: consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms"
	if _, talk, code := b.CLI("", "group", "alter", "billing", "--config", "consumer.session.timeout.ms=1"); code != 1 || !strings.Contains(talk, low) {
		t.Errorf("exit %d: %s", code, talk)
	}
	if _, talk, code := b.CLI("", "group", "describe", "nobody"); code != 1 || !strings.Contains(talk, `group "nobody" does not exist`) {
		t.Errorf("exit %d: %s", code, talk)
	}
}
