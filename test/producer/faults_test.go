package producer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/test/e2e"
	"github.com/lockstep-log/lockstep/test/inprocess"
)

// TestABrokerThatDoesNotJudgeIsRefused: Kafka would write lock headers and
// ignore them.
func TestABrokerThatDoesNotJudgeIsRefused(t *testing.T) {
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	c, err := client.New(dial(t, kafka.ListenAddrs()[0]))
	if !errors.Is(err, client.ErrUnsupported) || c != nil {
		t.Errorf("got %v", err)
	}
}

// story is what writers did to one partition, to be compared with its log.
type story struct {
	mu       sync.Mutex
	admitted map[int64]string
	refused  map[string]bool
	unknown  map[string]bool
}

func newStory() *story {
	return &story{admitted: map[int64]string{}, refused: map[string]bool{}, unknown: map[string]bool{}}
}

// tell notes an outcome and reports whether it is one that may be.
func (s *story) tell(t *testing.T, name string, r client.Result, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		if other, ok := s.admitted[r.Offset]; ok {
			t.Errorf("%s and %s are both at offset %d", other, name, r.Offset)
		}
		s.admitted[r.Offset] = name
	case errors.Is(err, client.ErrConflict):
		s.refused[name] = true
	case errors.Is(err, client.ErrUnknownResult):
		s.unknown[name] = true
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		s.refused[name] = true // it was never sent
	default:
		t.Errorf("%s: %v", name, err)
	}
}

// compare holds the story against the log.
func (s *story) compare(t *testing.T, log map[int64]string) {
	t.Helper()
	seen := map[string]int64{}
	for offset, name := range log {
		if other, ok := seen[name]; ok {
			t.Errorf("%s is at %d and at %d", name, other, offset)
		}
		seen[name] = offset
		if s.refused[name] {
			t.Errorf("%s was refused, and is at %d", name, offset)
		}
		if got, ok := s.admitted[offset]; !s.unknown[name] && (!ok || got != name) {
			t.Errorf("offset %d holds %s, and %q was said to be there", offset, name, got)
		}
	}
	for offset, name := range s.admitted {
		if log[offset] != name {
			t.Errorf("%s was said to be at %d, which holds %q", name, offset, log[offset])
		}
	}
}

// end appends a last record and returns the log's end.
func end(t *testing.T, c *client.Client, s *story) int64 {
	t.Helper()
	r, err := c.Append(t.Context(), "t", 0, client.Cond{}, value("end"))
	if err != nil {
		t.Fatal(err)
	}
	s.tell(t, "end", r, nil)
	return r.Offset + 1
}

// leastEach is how many appends a writer makes, however soon it is stopped.
const leastEach = 20

// writeMuch lets writers append, one in ten a stale one, until stopped.
func writeMuch(t *testing.T, c *client.Client, s *story, writers int, stop <-chan struct{}, patience time.Duration) {
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					if i >= leastEach {
						return
					}
				default:
				}
				name := fmt.Sprintf("%d.%d", w, i)
				cond := client.Cond{Basis: client.None, Locks: []client.Lock{client.Write(name)}}
				if i%10 == 9 {
					cond.Locks = append(cond.Locks, client.Write("first"))
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				r, err := c.Append(ctx, "t", 0, cond, value("%s", name))
				cancel()
				s.tell(t, name, r, err)
			}
		})
	}
	wg.Wait()
}

func first(t *testing.T, c *client.Client, s *story) {
	t.Helper()
	r, err := c.Append(t.Context(), "t", 0, client.Cond{Basis: client.None, Locks: []client.Lock{client.Write("first")}}, value("first"))
	if err != nil {
		t.Fatal(err)
	}
	s.tell(t, "first", r, nil)
}

// TestCutConnectionsLoseAndRepeatNothing, although appends have no ids: what
// was in flight is sent again with its sequence.
func TestCutConnectionsLoseAndRepeatNothing(t *testing.T) {
	addr := inprocess.Broker(t)
	create(t, addr, "t", 1)
	p := newProxy(t, addr)
	c, err := client.New(dial(t, addr, p.through()), client.BatchBytes(4000))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := newStory()
	first(t, c, s)
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for range 25 {
			time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
			p.cut()
		}
	}()
	writeMuch(t, c, s, 40, stop, time.Minute)
	s.compare(t, read(t, addr, "t", end(t, c, s)))
	if len(s.unknown) > 0 || len(s.refused) == 0 {
		t.Errorf("%d unknown, %d refused", len(s.unknown), len(s.refused))
	}
	t.Logf("%d admitted, %d refused", len(s.admitted), len(s.refused))
}

// TestImpatientWritersAreToldTheTruth: contexts end at any moment while
// connections are cut. What a writer was told holds, and what it was not told
// its id tells.
func TestImpatientWritersAreToldTheTruth(t *testing.T) {
	addr := inprocess.Broker(t)
	create(t, addr, "t", 1)
	p := newProxy(t, addr)
	c, err := client.New(dial(t, addr, p.through()), client.BatchBytes(2000))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := newStory()
	first(t, c, s)
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for range 20 {
			time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
			p.cut()
		}
	}()
	var wg sync.WaitGroup
	wg.Go(func() { writeMuch(t, c, s, 30, stop, 4*time.Millisecond) })
	resolved := 0
	wg.Go(func() {
		for i := 0; i < 400; i++ {
			name := fmt.Sprintf("id%d", i)
			cond := client.Cond{ID: name, Basis: client.None, Locks: []client.Lock{client.Write(name)}}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Millisecond)
			r, err := c.Append(ctx, "t", 0, cond, value("%s", name))
			cancel()
			if err != nil {
				resolved++
				r, err = c.Append(t.Context(), "t", 0, cond, value("%s", name))
			}
			s.tell(t, name, r, err)
		}
	})
	wg.Wait()
	s.compare(t, read(t, addr, "t", end(t, c, s)))
	t.Logf("%d admitted, %d refused or unsent, %d unknown, %d resolved by id", len(s.admitted), len(s.refused), len(s.unknown), resolved)
}

// TestKilledBrokersLoseAndRepeatNothing: a broker process is killed and
// started again under load; verdicts that were asked for again come from its log.
func TestKilledBrokersLoseAndRepeatNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes")
	}
	b := e2e.Start(t)
	create(t, b.Addr, "t", 1)
	c := open(t, b.Addr)
	s := newStory()
	first(t, c, s)
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for range 3 {
			time.Sleep(time.Duration(100+rand.IntN(200)) * time.Millisecond)
			b.Kill()
			b.Restart()
		}
	}()
	writeMuch(t, c, s, 40, stop, time.Minute)
	s.compare(t, read(t, b.Addr, "t", end(t, c, s)))
	if len(s.unknown) > 0 || len(s.refused) == 0 {
		t.Errorf("%d unknown, %d refused", len(s.unknown), len(s.refused))
	}
	t.Logf("%d admitted, %d refused", len(s.admitted), len(s.refused))
}

// TestAFailoverLosesAndRepeatsNothing: of three brokers the leader is killed
// twice under load, with appends in flight that have no ids. The next leader
// gives their verdicts from its own log.
func TestAFailoverLosesAndRepeatsNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes")
	}
	brokers := e2e.StartCluster(t, 3)
	cl := brokers.Client(kgo.MetadataMinAge(10 * time.Millisecond))
	for {
		_, err := kadm.NewClient(cl).CreateTopic(t.Context(), 1, 3, nil, "t")
		if err == nil {
			break
		}
		if !errors.Is(err, kerr.InvalidReplicationFactor) { // the broker that is asked does not know of all yet
			t.Fatal(err)
		}
	}
	c, err := client.New(cl)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := newStory()
	first(t, c, s)
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for range 2 {
			time.Sleep(time.Duration(100+rand.IntN(200)) * time.Millisecond)
			led := leader(t, cl)
			brokers.Broker(led).Kill()
			s.await(t, 200)
			brokers.Broker(led).Restart()
		}
	}()
	writeMuch(t, c, s, 40, stop, time.Minute)
	s.compare(t, read(t, brokers.Broker(leader(t, cl)).Addr, "t", end(t, c, s)))
	if len(s.unknown) > 0 || len(s.refused) == 0 {
		t.Errorf("%d unknown, %d refused", len(s.unknown), len(s.refused))
	}
	t.Logf("%d admitted, %d refused", len(s.admitted), len(s.refused))
}

// await returns when so many more appends were admitted.
func (s *story) await(t *testing.T, more int) {
	count := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.admitted)
	}
	for want := count() + more; count() < want && t.Context().Err() == nil; {
		time.Sleep(time.Millisecond)
	}
}

// leader is the broker that leads the partition.
func leader(t *testing.T, cl *kgo.Client) int32 {
	topics, err := kadm.NewClient(cl).ListTopics(t.Context(), "t")
	if err != nil {
		t.Error(err)
		return 1
	}
	return topics["t"].Partitions[0].Leader
}

// TestAViewOutlivesItsConnections counts through cuts.
func TestAViewOutlivesItsConnections(t *testing.T) {
	addr := inprocess.Broker(t)
	create(t, addr, "t", 1)
	p := newProxy(t, addr)
	var views []*client.View[counters]
	for range 3 {
		c, err := client.New(dial(t, addr, p.through(), kgo.MetadataMinAge(10*time.Millisecond)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		views = append(views, view(t, c, "t"))
	}
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for range 20 {
			time.Sleep(time.Duration(rand.IntN(40)) * time.Millisecond)
			p.cut()
		}
	}()
	committed := make([]int, len(views))
	var wg sync.WaitGroup
	for w, v := range views {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := v.Update(t.Context(), increment("a")); err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
				committed[w]++
			}
		})
	}
	wg.Wait()
	total := 0
	for _, n := range committed {
		total += n
	}
	if n := sum(t, view(t, open(t, addr), "t"), "a"); n != total || slices.Min(committed) == 0 {
		t.Errorf("the sum is %d, committed %v", n, committed)
	}
}
