package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/test/chaos/rig"
)

// threeBrokers starts a cluster of three processes.
func threeBrokers(t *testing.T, args ...string) *rig.Rig {
	t.Helper()
	r, err := rig.New(rig.Options{Binary: Binary(t), Dir: t.TempDir(), Nodes: 3, Args: args})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, n := range r.Nodes {
			if n.Running() {
				n.Kill()
			}
			if t.Failed() {
				t.Logf("broker %d said last:\n%s", n.ID, n.Tail())
			}
		}
		r.Close()
	})
	ctx, cancel := context.WithTimeout(t.Context(), groupTimeout)
	defer cancel()
	if err := r.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := r.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	return r
}

// failoverGoal is how soon a group is to go on when its coordinator's broker has
// died.
const failoverGoal = 5 * time.Second

// Goal: a group goes on within five seconds of a kill -9 of its coordinator's
// broker, and no committed offset is lost. Method: two stock members, of either
// protocol, commit without a pause; behind each kill every acknowledged offset
// must be there, and both members must have read and committed what was written since.
func TestAGroupGoesOnWhenItsCoordinatorsBrokerIsKilled(t *testing.T) {
	for name, opts := range map[string][]kgo.Opt{
		"classic":  {kgo.Balancers(kgo.CooperativeStickyBalancer())},
		"consumer": {kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer())},
	} {
		t.Run(name, func(t *testing.T) { killCoordinators(t, threeBrokers(t), 2, opts...) })
	}
}

// failover is a cluster, a group that reads, and what it has committed.
type failover struct {
	t      *testing.T
	rig    *rig.Rig
	cl     *kgo.Client
	adm    *kadm.Client
	commit struct {
		sync.Mutex
		acknowledged map[int32]int64      // by partition
		last         map[string]time.Time // by member: its last commit of something new
	}
}

const (
	failoverTopic = "orders"
	failoverGroup = "billing"
)

func killCoordinators(t *testing.T, r *rig.Rig, kills int, opts ...kgo.Opt) {
	ctx, cancel := context.WithTimeout(t.Context(), groupTimeout)
	defer cancel()
	f := &failover{t: t, rig: r, cl: clientOf(t, r, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))}
	f.adm = kadm.NewClient(f.cl)
	f.commit.acknowledged, f.commit.last = map[int32]int64{}, map[string]time.Time{}
	if _, err := f.adm.CreateTopic(ctx, 6, 3, nil, failoverTopic); err != nil {
		t.Fatal(err)
	}
	var working sync.WaitGroup
	work, stop := context.WithCancel(ctx)
	working.Go(func() { f.write(work) })
	for i := range 2 {
		// A stock client's pauses double up to 2.5 s: what is measured here is the brokers.
		pause := kgo.RetryBackoffFn(func(int) time.Duration { return 200 * time.Millisecond })
		m := clientOf(t, r, append(opts, pause, kgo.ConsumerGroup(failoverGroup), kgo.ConsumeTopics(failoverTopic),
			kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond))...)
		working.Go(func() { f.read(work, fmt.Sprint("member ", i), m) })
	}
	f.awaitCommits(ctx, time.Now())
	for range kills {
		f.kill(ctx)
	}
	stop()
	working.Wait()
}

func clientOf(t *testing.T, r *rig.Rig, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(r.Kafka()...), kgo.MetadataMinAge(100 * time.Millisecond), kgo.AlwaysRetryEOF()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.CloseAllowingRebalance)
	return cl
}

// write writes until it is stopped; what fails while leaders change is written by the client again.
func (f *failover) write(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		f.cl.Produce(ctx, &kgo.Record{Topic: failoverTopic, Value: fmt.Append(nil, i)}, nil)
		time.Sleep(time.Millisecond)
	}
}

// read commits what it reads, and notes what was acknowledged.
func (f *failover) read(ctx context.Context, name string, m *kgo.Client) {
	for ctx.Err() == nil {
		if m.PollRecords(ctx, 100).NumRecords() == 0 {
			continue
		}
		offsets := m.UncommittedOffsets()
		short, cancel := context.WithTimeout(ctx, failoverGoal)
		err := m.CommitUncommittedOffsets(short)
		cancel()
		if err != nil {
			continue
		}
		f.commit.Lock()
		f.commit.last[name] = time.Now()
		for p, o := range offsets[failoverTopic] {
			if m.CommittedOffsets()[failoverTopic][p].Offset >= o.Offset {
				f.commit.acknowledged[p] = max(f.commit.acknowledged[p], o.Offset)
			}
		}
		f.commit.Unlock()
	}
}

// awaitCommits waits until both members have committed after a moment, and says when they had.
func (f *failover) awaitCommits(ctx context.Context, after time.Time) (at time.Time) {
	f.t.Helper()
	for {
		fresh := 0
		f.commit.Lock()
		for _, last := range f.commit.last {
			if last.After(after) {
				fresh++
			}
		}
		f.commit.Unlock()
		if fresh == 2 {
			return time.Now()
		}
		if ctx.Err() != nil {
			f.t.Fatalf("%d of 2 members committed", fresh)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// kill kills the coordinator's broker, and starts it again when all is well.
func (f *failover) kill(ctx context.Context) {
	f.t.Helper()
	found := f.adm.FindGroupCoordinators(ctx, failoverGroup)
	if err := found.Error(); err != nil {
		f.t.Fatal(err)
	}
	victim := f.rig.Node(int(found[failoverGroup].NodeID))
	victim.Kill()
	killed := time.Now()
	f.commit.Lock()
	acknowledged := make(map[int32]int64, len(f.commit.acknowledged))
	for p, o := range f.commit.acknowledged {
		acknowledged[p] = o
	}
	f.commit.Unlock()

	gap := f.awaitCommits(ctx, killed.Add(200*time.Millisecond)).Sub(killed)
	f.t.Logf("broker %d was killed; both members had committed again after %v", victim.ID, gap.Round(10*time.Millisecond))
	if gap > failoverGoal {
		f.t.Errorf("the group stood still for %v", gap)
	}
	kept, err := fetchWhenLoaded(ctx, f.adm, failoverGroup)
	if err != nil {
		f.t.Fatal(err)
	}
	for p, o := range acknowledged {
		if got, ok := kept.Lookup(failoverTopic, p); !ok || got.At < o {
			f.t.Errorf("partition %d is at %d, and %d was acknowledged", p, got.At, o)
		}
	}
	if err := victim.Start(); err != nil {
		f.t.Fatal(err)
	}
	if err := victim.Ready(ctx); err != nil {
		f.t.Fatal(err)
	}
	f.awaitInSync(ctx)
}

// awaitInSync waits until all three brokers are in sync again: two must be for a
// write.
func (f *failover) awaitInSync(ctx context.Context) {
	f.t.Helper()
	for {
		topics, err := f.adm.ListTopicsWithInternal(ctx)
		if err != nil {
			f.t.Fatal(err)
		}
		behind := 0
		topics.EachPartition(func(p kadm.PartitionDetail) {
			if len(p.ISR) < 3 {
				behind++
			}
		})
		if behind == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
