package broker

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
)

// writeLocked produces one record with lock headers as "key=value".
func writeLocked(t *testing.T, cl *kgo.Client, topic string, partition int32, headers ...string) {
	t.Helper()
	r := &kgo.Record{Topic: topic, Partition: partition, Value: []byte("v")}
	for _, h := range headers {
		key, value, _ := strings.Cut(h, "=")
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
	}
	if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatalf("produce to %s-%d: %v", topic, partition, err)
	}
}

// grow asks for partitions, and for more by the tag.
func (w *wire) grow(topic string, count int32, more ...protocol.Growth) (code int16, message string) {
	w.t.Helper()
	req := partitionsRequest(topic, count)
	req.TimeoutMillis = 10_000
	for _, g := range more {
		req.Topics[0].UnknownTags.Set(protocol.TagGrowth, []byte{byte(g)})
	}
	got := ask[*kmsg.CreatePartitionsResponse](w, growthVersion, req).Topics[0]
	return got.ErrorCode, text(got.ErrorMessage)
}

// TestATopicThatHoldsLocksGrowsByForceOnly: keys would go to partitions where
// their locks were never written.
func TestATopicThatHoldsLocksGrowsByForceOnly(t *testing.T) {
	s, cl := startServer(t)
	w := dial(t, s.Addr(""))
	refused, done := kerr.PolicyViolation.Code, int16(0)
	for name, c := range map[string]struct {
		configs []string
		headers []string // of a record in partition 1
		want    int16
		why     string
	}{
		"empty":          {nil, nil, done, ""},
		"required":       {[]string{"conflict.policy", "required"}, nil, refused, "has conflict.policy=required"},
		"written":        {nil, []string{"lock-write=a", "lock-basis=none"}, refused, "holds locks, in partition 1 at least"},
		"appended":       {nil, []string{"lock-append=a"}, refused, "holds locks, in partition 1 at least"},
		"only-read":      {nil, []string{"lock-read=a", "lock-basis=none"}, done, ""},
		"only-named":     {nil, []string{"lock-id=one"}, done, ""},
		"allowed":        {[]string{"conflict.add.partitions", "allow"}, []string{"lock-append=a"}, done, ""},
		"plain":          {nil, []string{"trace=1"}, done, ""},
		"required-grows": {[]string{"conflict.policy", "required", "conflict.add.partitions", "allow"}, nil, done, ""},
	} {
		w.createTopic(name, 2, c.configs...)
		if c.headers != nil {
			writeLocked(t, cl, name, 1, c.headers...)
		}
		code, message := w.grow(name, 3)
		if code != c.want || !strings.Contains(message, c.why) {
			t.Errorf("%s: code %d %q, want %d %q", name, code, message, c.want, c.why)
		}
		if c.want == refused {
			if !strings.Contains(message, "--force") || !strings.Contains(message, "conflict.add.partitions=allow") {
				t.Errorf("%s: %q does not say what to do", name, message)
			}
			if code, message = w.grow(name, 3, protocol.GrowthForced); code != 0 {
				t.Errorf("%s: by force: code %d %q", name, code, message)
			}
		}
		if n := len(s.hosted.Topic(name).Partitions); n != 3 {
			t.Errorf("%s has %d partitions", name, n)
		}
	}
}

// TestLocksOnAnotherBrokerCount, and one that does not answer might have some.
func TestLocksOnAnotherBrokerCount(t *testing.T) {
	ps := startPeers(t, 2)
	for _, name := range []string{"locked", "plain", "silent"} {
		ps.createAt(1, name, 1, 2)
		ps.partition(2, name, 0)
	}
	writeLocked(t, ps.client(), "locked", 0, "lock-append=a")
	w := dial(t, ps.all[1].Addr(""))
	if code, message := w.grow("locked", 2); code != kerr.PolicyViolation.Code || !strings.Contains(message, "holds locks, in partition 0") {
		t.Errorf("locked: code %d %q", code, message)
	}
	if code, message := w.grow("plain", 2); code != 0 {
		t.Errorf("plain: code %d %q", code, message)
	}
	ps.halt(2)
	if code, message := w.grow("silent", 2); code != kerr.LeaderNotAvailable.Code || !strings.Contains(message, "cannot be told") {
		t.Errorf("silent: code %d %q", code, message)
	}
}
