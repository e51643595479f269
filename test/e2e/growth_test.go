package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	extended "github.com/lockstep-log/lockstep/client"
)

// growing is a cluster that one broker has begun, and those that write to it meanwhile.
type growing struct {
	t       *testing.T
	brokers map[int]*Broker
	stop    context.CancelFunc
	writers sync.WaitGroup
	told    *acked

	mu struct {
		sync.Mutex
		took []time.Duration // of plain appends, since it was looked at last
		read map[int64]bool  // what the group has read
	}
}

const grownTopic = "ledger"

// grow begins a cluster of one broker, as make run does, with a stock producer, a
// conditional writer and a consumer group.
func grow(t *testing.T) *growing {
	t.Helper()
	g := &growing{t: t, brokers: map[int]*Broker{}, told: &acked{at: map[int64]string{}}}
	g.brokers[1] = g.newBroker(1)
	g.brokers[1].Restart()
	t.Cleanup(func() {
		for id, b := range g.brokers {
			b.Kill()
			if t.Failed() {
				t.Logf("the log of broker %d:\n%s", id, b.log)
			}
		}
	})
	g.mu.read = map[int64]bool{}
	createTopic(t, g.brokers[1], grownTopic, nil)
	return g
}

// newBroker is a broker that has not begun; all but the first are to join it.
func (g *growing) newBroker(id int) *Broker {
	b := &Broker{
		t: g.t, bin: Binary(g.t), Dir: filepath.Join(g.t.TempDir(), "data"), Addr: freeAddr(g.t), HTTP: freeAddr(g.t), log: &syncBuffer{},
		args: []string{"--node-id", strconv.Itoa(id), "--offsets-partitions", "3", "--group-rebalance-delay", "0"},
	}
	if id > 1 {
		b.args = append(b.args, "--join", g.brokers[1].Addr)
	}
	return b
}

// write begins the writers and the group; finish ends them.
func (g *growing) write() {
	ctx, cancel := context.WithCancel(context.Background())
	g.stop = cancel
	g.writers.Go(func() { g.plain(ctx) })
	g.writers.Go(func() { g.conditional(ctx) })
	g.writers.Go(func() { g.group(ctx) })
}

func (g *growing) finish() {
	g.stop()
	g.writers.Wait()
}

func (g *growing) acknowledge(offset int64, value string) {
	g.told.Lock()
	defer g.told.Unlock()
	if was, twice := g.told.at[offset]; twice {
		g.t.Errorf("%s and %s were both told offset %d", was, value, offset)
	}
	g.told.at[offset] = value
}

// plain is a stock producer with its own retries. An error of it fails the test.
func (g *growing) plain(ctx context.Context) {
	cl := client(g.t, g.brokers[1], kgo.ProducerLinger(0))
	for n := 0; ctx.Err() == nil; n++ {
		value := fmt.Sprintf("plain %d", n)
		began := time.Now()
		r, err := cl.ProduceSync(context.Background(), &kgo.Record{Topic: grownTopic, Value: []byte(value)}).First()
		if err != nil {
			g.t.Errorf("%s: %v", value, err)
			return
		}
		g.acknowledge(r.Offset, value)
		g.mu.Lock()
		g.mu.took = append(g.mu.took, time.Since(began))
		g.mu.Unlock()
		time.Sleep(2 * time.Millisecond)
	}
}

// conditional is a writer with a lock of its own, on which it is never refused. What
// became of an append that was interrupted it asks by its id.
func (g *growing) conditional(ctx context.Context) {
	cl, err := extended.New(client(g.t, g.brokers[1]))
	if err != nil {
		g.t.Error(err)
		return
	}
	basis := int64(extended.None)
	for n := 0; ctx.Err() == nil; n++ {
		cond := extended.Cond{ID: "c-" + strconv.Itoa(n), Basis: basis, Locks: []extended.Lock{extended.Write("own")}}
		value := "conditional " + strconv.Itoa(n)
		res, err := cl.Append(context.Background(), grownTopic, 0, cond, &kgo.Record{Value: []byte(value)})
		if err != nil {
			g.t.Errorf("%s: %v", value, err)
			return
		}
		basis = res.Offset
		g.acknowledge(res.Offset, value)
		time.Sleep(2 * time.Millisecond)
	}
}

// group reads and commits until it has read what was acknowledged when the writers ended.
func (g *growing) group(ctx context.Context) {
	cl := client(g.t, g.brokers[1], kgo.ConsumerGroup("readers"), kgo.ConsumeTopics(grownTopic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	var last error // of the newest commit: in a rebalance one may be refused, and the next one makes up for it
	for ctx.Err() == nil || g.unread() > 0 {
		poll, cancel := context.WithTimeout(context.Background(), time.Second)
		fetches := cl.PollFetches(poll)
		cancel()
		fetches.EachError(func(_ string, _ int32, err error) {
			var ke *kerr.Error
			if errors.As(err, &ke) && !ke.Retriable {
				g.t.Errorf("the group's fetch: %v", err)
			}
		})
		g.mu.Lock()
		fetches.EachRecord(func(r *kgo.Record) { g.mu.read[r.Offset] = true })
		g.mu.Unlock()
		if last = cl.CommitUncommittedOffsets(context.Background()); g.t.Failed() {
			return
		}
	}
	for try := 0; last != nil && try < 20; try++ {
		time.Sleep(500 * time.Millisecond)
		last = cl.CommitUncommittedOffsets(context.Background())
	}
	if last != nil {
		g.t.Errorf("the group's last commit: %v", last)
	}
}

func (g *growing) unread() (n int) {
	g.told.Lock()
	defer g.told.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	for offset := range g.told.at {
		if !g.mu.read[offset] {
			n++
		}
	}
	return n
}

// p99 of the plain appends since the last look, and how many there were.
func (g *growing) p99() (time.Duration, int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	took := g.mu.took
	g.mu.took = nil
	if len(took) == 0 {
		return 0, 0
	}
	slices.Sort(took)
	return took[len(took)*99/100], len(took)
}

// votes waits until so many brokers vote on the metadata, as any member says.
func (g *growing) votes(want int) {
	g.t.Helper()
	var members []struct {
		Name      string `json:"name"`
		IsLearner bool   `json:"isLearner"`
	}
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		note, err := os.ReadFile(filepath.Join(g.brokers[1].Dir, "etcd", "port.json"))
		if err != nil {
			continue
		}
		var port struct{ URL string }
		if err := json.Unmarshal(note, &port); err != nil {
			g.t.Fatal(err)
		}
		resp, err := http.Get(port.URL + "/members")
		if err != nil {
			continue
		}
		members = nil
		err = json.NewDecoder(resp.Body).Decode(&members)
		resp.Body.Close()
		n := 0
		for _, m := range members {
			if !m.IsLearner {
				n++
			}
		}
		if err == nil && n == want {
			return
		}
	}
	g.t.Fatalf("want %d voters; the members are %+v", want, members)
}

// cli runs a command that is to succeed.
func (g *growing) cli(args ...string) string {
	g.t.Helper()
	out, stderr, code := g.brokers[1].CLI("", args...)
	if code != 0 {
		g.t.Fatalf("%v: exit %d\n%s%s", args, code, out, stderr)
	}
	return out
}

// proof: what was acknowledged is in the log once, at its offset, and the log's
// verdicts are right.
func (g *growing) proof() {
	g.t.Helper()
	log := readAll(g.t, g.brokers[1], grownTopic)
	at, seen := map[int64]string{}, map[string]int64{}
	for _, r := range log {
		if before, twice := seen[string(r.Value)]; twice {
			g.t.Errorf("%s is at offset %d and again at %d", r.Value, before, r.Offset)
		}
		at[r.Offset], seen[string(r.Value)] = string(r.Value), r.Offset
	}
	for offset, value := range g.told.at {
		if at[offset] != value {
			g.t.Errorf("%s was acknowledged at offset %d, where %q is", value, offset, at[offset])
		}
	}
	if len(g.told.at) < 100 {
		g.t.Errorf("only %d records were acknowledged: the test shows nothing", len(g.told.at))
	}
	g.t.Logf("%d records were acknowledged, %d are in the log", len(g.told.at), len(log))
	g.cli("audit", grownTopic)
}

// TestAClusterGrowsAndShrinksUnderLoad: one broker becomes three and five, partitions
// and votes follow, and it goes back to three, while a stock producer, a conditional
// writer and a group run. None of them sees an error; nothing is lost.
func TestAClusterGrowsAndShrinksUnderLoad(t *testing.T) {
	g := grow(t)
	g.write()
	time.Sleep(2 * time.Second)
	calm, n := g.p99()
	t.Logf("alone: p99 %v of %d appends", calm, n)
	g.join(2)
	g.join(3)
	g.votes(3)
	joining, n := g.p99()
	t.Logf("1 to 3: p99 %v of %d appends", joining, n)
	g.cli("cluster", "rebalance", grownTopic, "--num-replicas", "3", "--wait", "1m")
	replicating, n := g.p99()
	t.Logf("gaining replicas: p99 %v of %d appends", replicating, n)
	time.Sleep(2 * time.Second)
	three, n := g.p99()
	t.Logf("three, calm: p99 %v of %d appends", three, n)
	g.join(4)
	g.join(5)
	g.votes(5)
	five, n := g.p99()
	t.Logf("3 to 5: p99 %v of %d appends", five, n)
	g.cli("cluster", "rebalance", "--wait", "1m")
	if out := g.cli("cluster", "rebalance", "--dry-run"); out != "nothing to do\n" {
		t.Errorf("after a rebalance there is still to do:\n%s", out)
	}
	g.internalReplicas(3)
	for _, id := range []int{5, 4} {
		g.remove(id)
	}
	g.votes(3)
	back, n := g.p99()
	t.Logf("5 to 3: p99 %v of %d appends", back, n)
	g.finish()
	g.proof()
	if out := g.cli("cluster", "brokers"); strings.Count(out, "\n") != 4 {
		t.Errorf("three brokers are left:\n%s", out)
	}
	committed, err := kadm.NewClient(client(t, g.brokers[2])).FetchOffsets(context.Background(), "readers")
	if o, ok := committed.Lookup(grownTopic, 0); err != nil || !ok || o.At < int64(len(g.told.at)) {
		t.Errorf("the group has committed %+v (%v) of %d", o, err, len(g.told.at))
	}
}

// join starts a broker and waits until it is ready.
func (g *growing) join(id int) {
	g.t.Helper()
	g.brokers[id] = g.newBroker(id)
	g.brokers[id].Restart()
}

// remove takes a broker out, which is stopped when the command asks for it.
func (g *growing) remove(id int) {
	g.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		out, stderr, code := g.brokers[1].CLI("", "cluster", "remove", strconv.Itoa(id), "--wait", "2m")
		if code != 0 || out != fmt.Sprintf("removed %d\n", id) {
			g.t.Errorf("remove %d: exit %d\n%s%s", id, code, out, stderr)
		}
	}()
	for deadline := time.Now().Add(startTimeout); g.holds(id) > 0 && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond)
	}
	g.brokers[id].Stop()
	<-done
}

// holds counts the replicas on a broker.
func (g *growing) holds(id int) (n int) {
	topics, err := kadm.NewClient(client(g.t, g.brokers[1])).ListTopicsWithInternal(context.Background())
	if err != nil {
		return 1
	}
	topics.EachPartition(func(p kadm.PartitionDetail) {
		if slices.Contains(p.Replicas, int32(id)) {
			n++
		}
	})
	return n
}

// internalReplicas waits until the partitions of __consumer_offsets have so many in sync.
func (g *growing) internalReplicas(want int) {
	g.t.Helper()
	var seen kadm.TopicDetails
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		topics, err := kadm.NewClient(client(g.t, g.brokers[1])).ListTopicsWithInternal(context.Background(), "__consumer_offsets")
		if err != nil {
			continue
		}
		seen = topics
		fewer := 0
		topics.EachPartition(func(p kadm.PartitionDetail) {
			if len(p.ISR) != want || len(p.Replicas) != want {
				fewer++
			}
		})
		if fewer == 0 {
			return
		}
	}
	g.t.Fatalf("want %d replicas of the internal topic; it is %+v", want, seen)
}

// TestAKillAtAnyStepOfJoiningCostsNothing: while a broker joins, it, or one of those
// that are there, is killed at a random moment and started again as it was. In the end
// there are three that vote, and nothing is lost.
func TestAKillAtAnyStepOfJoiningCostsNothing(t *testing.T) {
	rounds, err := strconv.Atoi(env("LOCKSTEP_JOIN_KILLS", "2"))
	if err != nil {
		t.Fatal(err)
	}
	seed, err := strconv.ParseUint(env("LOCKSTEP_SEED", "1"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	for round := range rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) { killWhileJoining(t, rand.New(rand.NewPCG(seed, uint64(round)))) })
	}
}

func killWhileJoining(t *testing.T, rng *rand.Rand) {
	g := grow(t)
	g.write()
	time.Sleep(300 * time.Millisecond)
	for id := 2; id <= 3; id++ {
		b := g.newBroker(id)
		g.brokers[id] = b
		b.begin()
		delay := time.Duration(rng.IntN(350)) * time.Millisecond // it is in within some 200 ms
		if rng.IntN(3) == 0 {
			delay = time.Duration(rng.IntN(2500)) * time.Millisecond // votes come later
		}
		victim := g.brokers[1+rng.IntN(id)]
		time.Sleep(delay)
		victim.Kill()
		t.Logf("while broker %d joined, the one at %s was killed after %v", id, victim.Addr, delay)
		time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
		victim.Restart()
		b.untilReady()
	}
	g.votes(3)
	time.Sleep(300 * time.Millisecond)
	g.finish()
	g.proof()
}

// untilReady starts the process again, as a supervisor does, until it is ready.
func (b *Broker) untilReady() {
	b.t.Helper()
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		select {
		case <-b.gone:
			b.begin()
		default:
		}
		resp, err := http.Get("http://" + b.HTTP + "/v1/status/ready")
		if err != nil {
			continue
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
	}
	b.t.Fatalf("the broker is not ready:\n%s", b.log)
}

// TestABrokerThatCannotJoinSaysWhy, ends, and leaves the cluster as it was.
func TestABrokerThatCannotJoinSaysWhy(t *testing.T) {
	g := grow(t)
	other := Start(t)
	other.Stop()
	before := g.cli("cluster", "brokers")
	for _, c := range []struct {
		name string
		dir  string
		args []string
		says string
	}{
		{"another cluster's directory", other.Dir, []string{"--node-id", "1"}, "belongs to node 1 of cluster"},
		{"a live broker's id", filepath.Join(t.TempDir(), "data"), []string{"--node-id", "1"}, "Broker 1 is there already"},
		{
			"a port that others do not reach", filepath.Join(t.TempDir(), "data"),
			[]string{"--node-id", "2", "--advertise", "192.0.2.1:9092"}, "Broker 2 cannot be reached at http://192.0.2.1:",
		},
	} {
		b := g.newBroker(1)
		b.Dir, b.args = c.dir, append(c.args, "--join", g.brokers[1].Addr)
		b.begin()
		select {
		case <-b.gone:
		case <-time.After(startTimeout):
			t.Errorf("%s: the broker goes on", c.name)
			b.Kill()
		}
		if code := b.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(b.log.String(), c.says) {
			t.Errorf("%s: exit %d, want 1 and %q; it said\n%s", c.name, code, c.says, b.log)
		}
	}
	if after := g.cli("cluster", "brokers"); after != before {
		t.Errorf("the brokers are\n%s\nand were\n%s", after, before)
	}
	g.join(2) // it still lets others in
}
