package coordinator

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/coordinator/store/etcd"
	"github.com/lockstep-log/lockstep/protocol"
)

func TestHistoryIsForgottenBySizeAndByNumberAndAfterAWhile(t *testing.T) {
	o := QuotaOptions{History: 100, Kept: 5 * time.Second}.withDefaults(true)
	var h history
	at := time.Unix(0, 0)
	for _, step := range []struct {
		after           time.Duration
		revision, inUse int64
		want            int64
	}{
		{0, 100, 1000, 0}, // half of it may be history, but it is not old enough
		{time.Second, 200, 1000, 0},
		{4 * time.Second, 300, 1000, 100}, // what was newest five seconds ago
		{time.Second, 400, 1050, 0},       // not enough has come together
		{time.Second, 401, 1099, 0},
		{5 * time.Second, 402, 1101, 401},
		{time.Second, 20_000, 1101, 0},
		{5 * time.Second, 20_001, 1101, 20_000}, // many revisions, however small
		{5 * time.Second, 20_002, 500, 0},       // it became smaller by other means
		{5 * time.Second, 20_003, 600, 20_002},
	} {
		at = at.Add(step.after)
		got := h.due(at, step.revision, step.inUse, o)
		if got != step.want {
			t.Fatalf("at %v, revision %d: forget up to %d, want %d", at.UTC(), step.revision, got, step.want)
		}
		if got > 0 {
			h.done(got, step.inUse)
		}
	}
}

// longList is a setting's value of about so many bytes; no two rounds have the same.
func longList(size, round int) map[string]string {
	var list strings.Builder
	for i := 0; list.Len() < size-10; i++ {
		fmt.Fprintf(&list, "%d:%d,", i, round)
	}
	return map[string]string{"leader.replication.throttled.replicas": strings.TrimSuffix(list.String(), ",")}
}

func createTopic(t *testing.T, c *Cluster, name string, configs map[string]string) error {
	t.Helper()
	_, err := c.CreateTopic(background(t), plan.NewTopic{Name: name, Partitions: 1, ReplicationFactor: 1, Configs: configs}, false)
	return err
}

// One client that changes settings in a loop, whatever it means by that.
func TestSettingsThatChangeAllTheTimeDoNotFillTheStore(t *testing.T) {
	t.Parallel()
	const size, rounds = 32_000, 800
	e := startEmbedded(t, etcd.EmbeddedOptions{})
	t.Cleanup(func() { noError(t, e.Close()) })
	c := join(t, Options{Store: e.Store(), Self: broker(1), Quota: QuotaOptions{History: 1 << 20, Kept: 50 * time.Millisecond, Interval: 20 * time.Millisecond}})
	noError(t, createTopic(t, c.Cluster, "t", nil))
	for round := range rounds {
		noError(t, c.AlterTopicConfigs(background(t), "t", ConfigChange{Set: longList(size, round)}))
	}
	const written = size * rounds
	r, err := e.Store().Usage(background(t))
	noError(t, err)
	if r.Bytes > written/2 {
		t.Errorf("after %d bytes of settings the store has %d bytes", written, r.Bytes)
	}
	eventually(t, "history is forgotten", func() bool {
		r, err := e.Store().Usage(background(t))
		return err == nil && r.InUse < 4<<20
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

func TestAFullStoreRefusesAdditionsInWordsAndAllElseGoesOn(t *testing.T) {
	t.Parallel()
	e := startEmbedded(t, etcd.EmbeddedOptions{})
	t.Cleanup(func() { noError(t, e.Close()) })
	var said bytes.Buffer
	c := join(t, Options{
		Store: e.Store(), Self: broker(1), Logger: slog.New(slog.NewTextHandler(&said, nil)),
		Quota: QuotaOptions{Max: 2 << 20, History: 1 << 19, Kept: 50 * time.Millisecond, Interval: 20 * time.Millisecond},
	})
	var err error
	topics := 0
	for refused := 0; refused < 5 && topics < 200; { // in a row: history that was not forgotten yet makes room once more
		if err = createTopic(t, c.Cluster, fmt.Sprint("t", topics), longList(32_000, 0)); err != nil {
			refused++
			time.Sleep(100 * time.Millisecond)
			continue
		}
		refused = 0
		topics++
		time.Sleep(5 * time.Millisecond)
	}
	if !errors.Is(err, store.ErrFull) || !strings.Contains(err.Error(), "the metadata store is full") || topics < 10 {
		t.Fatalf("topic %d: %v", topics, err)
	}
	if r, ok := c.StoreUsage(); !ok || !r.Full || !strings.Contains(r.Problem, "delete topics") {
		t.Errorf("the room is %+v", r)
	}
	wantError(t, c.AlterTopicConfigs(background(t), "t0", ConfigChange{Set: map[string]string{"retention.ms": "1"}}), store.ErrFull)
	wantError(t, c.CreatePartitions(background(t), "t0", 2, nil, false), store.ErrFull)

	// Leases, registrations, producers and states of partitions are no additions.
	other := join(t, Options{Store: e.Store(), Self: broker(2)})
	_, err = other.AllocateProducerIDs(background(t), 1000)
	noError(t, err)
	_, err = e.Store().GrantLease(background(t), time.Second)
	noError(t, err)

	noError(t, c.AlterTopicConfigs(background(t), "t0", ConfigChange{Unset: []string{"leader.replication.throttled.replicas"}}))
	for i := 1; i < topics/2; i++ {
		noError(t, c.DeleteTopic(background(t), fmt.Sprint("t", i)))
	}
	eventually(t, "there is room again", func() bool { return createTopic(t, c.Cluster, "again", nil) == nil })
	c.leave(t)
	saidInTurn(t, said.String())
}

// saidInTurn checks that a full store and its end were said, and neither twice in a
// row. How often it was full depends on how soon etcd gave space back.
func saidInTurn(t *testing.T, log string) {
	t.Helper()
	full, times := false, 0
	for line := range strings.Lines(log) {
		switch {
		case strings.Contains(line, "metadata store is full"):
			if full {
				t.Errorf("said again, and nothing had changed: %s", line)
			}
			full = true
			times++
		case strings.Contains(line, "metadata store has room again"):
			full = false
		}
	}
	if times == 0 || full {
		t.Errorf("said %d times that the store was full; the last time it did not end: %v\n%s", times, full, log)
	}
}

// The store is looked at every second; what is found is said when it changes.
func TestAQuotaThatIsNeitherReachedNorLeftIsNotSaidAgain(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	c := &Cluster{o: Options{Quota: QuotaOptions{Max: 100}}, log: slog.New(slog.NewTextHandler(&said, nil))}
	const near, full, room = "nearly full", "metadata store is full", "room again"
	for _, step := range []struct {
		inUse int64
		want  string
	}{
		{10, ""}, {74, ""}, {75, near}, {75, ""}, {99, ""}, {100, full}, {130, ""}, {100, ""},
		{80, room}, {76, ""}, {101, full}, {20, room}, {20, ""}, {100, full}, {99, room}, {10, room}, {0, ""},
	} {
		said.Reset()
		c.sayQuota(etcd.Usage{InUse: step.inUse})
		if got := said.String(); (step.want == "") != (got == "") || !strings.Contains(got, step.want) {
			t.Errorf("%d in use: said %q, want %q", step.inUse, got, step.want)
		}
	}
}

// fill writes until etcd takes no more.
func fill(t *testing.T, s *etcd.Store) {
	t.Helper()
	value := bytes.Repeat([]byte{'v'}, 64<<10)
	for i := 0; ; i++ {
		_, _, err := s.Txn(background(t), nil, []store.Op{store.Put("/lockstep/configs/cluster", append([]byte(`{}`), bytes.Repeat([]byte{' '}, len(value))...))})
		if errors.Is(err, store.ErrFull) {
			break
		}
		noError(t, err)
		if i > 1000 {
			t.Fatal("it is never full")
		}
	}
	_, err := s.GrantLease(background(t), time.Second)
	wantError(t, err, store.ErrFull)
}

// Not even a lease is granted by a full etcd, and so no broker could register.
func TestABrokerStartsOnAStoreThatWasLeftFull(t *testing.T) {
	t.Parallel()
	for name, quota := range map[string]int64{"of the same quota": 4 << 20, "of a larger quota": 64 << 20} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "etcd")
			e := startEmbedded(t, etcd.EmbeddedOptions{Dir: dir, QuotaBytes: 4 << 20})
			c := join(t, Options{Store: e.Store(), Self: broker(1)})
			noError(t, createTopic(t, c.Cluster, "kept", nil))
			c.leave(t)
			fill(t, e.Store())
			noError(t, e.Close())

			e = startEmbedded(t, etcd.EmbeddedOptions{Dir: dir, QuotaBytes: quota})
			t.Cleanup(func() { noError(t, e.Close()) })
			c = join(t, Options{Store: e.Store(), Self: broker(1)})
			if _, ok := c.Image().Topic("kept"); !ok {
				t.Error("the topic is gone")
			}
			noError(t, createTopic(t, c.Cluster, "new", nil))
			eventually(t, "all that filled it is forgotten", func() bool {
				r, err := e.Store().Usage(background(t))
				return err == nil && !r.Full && r.InUse < 1<<20
			})
		})
	}
}

func TestAStoreThatGetsFullWhileItRunsMakesRoomByItself(t *testing.T) {
	t.Parallel()
	e := startEmbedded(t, etcd.EmbeddedOptions{QuotaBytes: 4 << 20})
	t.Cleanup(func() { noError(t, e.Close()) })
	c := join(t, Options{Store: e.Store(), Self: broker(1), Quota: QuotaOptions{Interval: time.Second}})
	fill(t, e.Store())
	eventually(t, "changes are taken again", func() bool { return createTopic(t, c.Cluster, "t", nil) == nil })
	if r, ok := c.StoreUsage(); !ok || r.Full || r.Problem != "" {
		t.Errorf("the room is %+v", r)
	}
}

func TestSettingsHaveBoundsOfSizeAndNumber(t *testing.T) {
	t.Parallel()
	store, _ := newMem(t)
	c := join(t, Options{Store: store, Self: broker(1)})
	noError(t, createTopic(t, c.Cluster, "t", nil))
	long := map[string]string{"retention.ms": strings.Repeat(" ", 2<<10) + "1"}
	wantError(t, c.AlterTopicConfigs(background(t), "t", ConfigChange{Set: long}), refusal.ErrInvalidConfig)
	wantError(t, createTopic(t, c.Cluster, "u", long), refusal.ErrInvalidConfig)
	wantError(t, c.AlterClusterConfigs(background(t), ConfigChange{Set: map[string]string{"log.retention.ms": long["retention.ms"]}}), refusal.ErrInvalidConfig)
	noError(t, c.AlterTopicConfigs(background(t), "t", ConfigChange{Set: longList(32_000, 1)}))
	wantError(t, c.AlterTopicConfigs(background(t), "t", ConfigChange{Set: longList(33_000, 1)}), refusal.ErrInvalidConfig)
	err := error(nil)
	set := map[string]string{"log.retention.ms": "1000"}
	for id := protocol.BrokerID(2); err == nil && id < 2*brokerConfigsMax; id++ {
		err = c.AlterBrokerConfigs(background(t), id, ConfigChange{Set: set})
	}
	wantError(t, err, refusal.ErrInvalidRequest)
	noError(t, c.AlterBrokerConfigs(background(t), 1, ConfigChange{Set: set})) // a live one
	before := c.Image().Revision
	noError(t, c.AlterBrokerConfigs(background(t), 1, ConfigChange{Set: set}))
	if c.Image().Revision != before {
		t.Error("a setting that is as it was is written again")
	}
}
