package producer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/test/inprocess"
)

// counters is a state of named sums.
type counters map[string]int

// add applies a record "name=n": n is the new sum, as its writer decided it.
func add(s *counters, r *kgo.Record) {
	n, err := strconv.Atoi(string(r.Value))
	if err != nil {
		panic(err)
	}
	(*s)[string(r.Key)] = n
}

// increment decides on one increment of a counter, which a stale read would lose.
func increment(name string) func(tx *client.Tx, s counters) error {
	return func(tx *client.Tx, s counters) error {
		tx.Lock(client.Write(name))
		tx.Append(&kgo.Record{Key: []byte(name), Value: strconv.AppendInt(nil, int64(s[name]+1), 10)})
		return nil
	}
}

func view(t *testing.T, c *client.Client, topic string, o ...client.ViewOption) *client.View[counters] {
	t.Helper()
	v, err := client.NewView(c, topic, 0, counters{}, add, o...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// sum is a counter as a view sees it.
func sum(t *testing.T, v *client.View[counters], name string) (n int) {
	t.Helper()
	if err := v.Read(t.Context(), func(s counters, _ int64) error { n = s[name]; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// asked counts the requests of a kgo client that have one key.
type asked struct {
	key int16
	n   *atomic.Int64
}

func produces() asked { return asked{0, new(atomic.Int64)} }
func fetches() asked  { return asked{1, new(atomic.Int64)} }

func (a asked) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, _ error) {
	if key == a.key {
		a.n.Add(1)
	}
}

var _ kgo.HookBrokerWrite = asked{}

// TestEightWritersCountExactly increments counters by eight writers, each with
// a view and connections of its own, or all with one.
func TestEightWritersCountExactly(t *testing.T) {
	const writers, each = 8, 25
	for _, shared := range []bool{false, true} {
		for _, locks := range []int{1, 4} {
			t.Run(fmt.Sprintf("shared=%v locks=%d", shared, locks), func(t *testing.T) {
				addr := inprocess.Broker(t)
				create(t, addr, "t", 1)
				tries := produces()
				var views []*client.View[counters]
				for range writers {
					if shared && len(views) > 0 {
						views = append(views, views[0])
						continue
					}
					c, err := client.New(dial(t, addr, kgo.WithHooks(tries)))
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(c.Close)
					views = append(views, view(t, c, "t"))
				}
				began := time.Now()
				var wg sync.WaitGroup
				for w, v := range views {
					wg.Go(func() {
						for i := range each {
							if _, err := v.Update(t.Context(), increment(fmt.Sprint((w+i)%locks))); err != nil {
								t.Errorf("writer %d: %v", w, err)
								return
							}
						}
					})
				}
				wg.Wait()
				took := time.Since(began)
				fresh := view(t, open(t, addr), "t")
				total := 0
				for l := range locks {
					total += sum(t, fresh, fmt.Sprint(l))
				}
				if total != writers*each {
					t.Errorf("the sum is %d, want %d", total, writers*each)
				}
				t.Logf("%d commits, %.2f requests a commit, %.0f commits/s", total, float64(tries.n.Load())/float64(total), float64(total)/took.Seconds())
			})
		}
	}
}

// TestAViewSeesWhatItHasWritten, and resumes from what Read has told.
func TestAViewSeesWhatItHasWritten(t *testing.T) {
	addr := inprocess.Broker(t)
	create(t, addr, "t", 1)
	c := open(t, addr)
	v := view(t, c, "t")
	for i := range 5 {
		r, err := v.Update(t.Context(), increment("a"))
		if err != nil {
			t.Fatal(err)
		}
		if n := sum(t, v, "a"); n != i+1 {
			t.Errorf("after offset %d the view says %d", r.Offset, n)
		}
	}
	var saved counters
	var basis int64
	v.Read(t.Context(), func(s counters, at int64) error {
		saved, basis = counters{"a": s["a"]}, at
		return nil
	})
	if _, err := v.Update(t.Context(), increment("a")); err != nil {
		t.Fatal(err)
	}
	applied := 0
	resumed, err := client.NewView(c, "t", 0, saved, func(s *counters, r *kgo.Record) { applied++; add(s, r) }, client.From(basis))
	if err != nil {
		t.Fatal(err)
	}
	defer resumed.Close()
	if n := sum(t, resumed, "a"); n != 6 || applied != 1 {
		t.Errorf("resumed behind %d: %d after %d records", basis, n, applied)
	}
}

// TestUpdateReturnsWhatItsFunctionReturns and leaves nothing behind.
func TestUpdateReturnsWhatItsFunctionReturns(t *testing.T) {
	addr := inprocess.Broker(t)
	create(t, addr, "t", 1)
	v := view(t, open(t, addr), "t")
	no := errors.New("no")
	if _, err := v.Update(t.Context(), func(tx *client.Tx, _ counters) error {
		tx.Append(value("1"))
		return no
	}); err != no {
		t.Errorf("got %v", err)
	}
	if r, err := v.Update(t.Context(), func(*client.Tx, counters) error { return nil }); err != nil || r.Offset != client.None {
		t.Errorf("nothing to append: %+v, %v", r, err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was lost")
			}
		}()
		v.Update(t.Context(), func(*client.Tx, counters) error { panic("decision") })
	}()
	if _, err := v.Update(t.Context(), increment("a")); err != nil {
		t.Errorf("after a panic: %v", err)
	}
	stale := func(tx *client.Tx, _ counters) error {
		tx.Lock(client.Write("a").At(client.None))
		tx.Append(&kgo.Record{Key: []byte("a"), Value: []byte("9")})
		return nil
	}
	if _, err := v.Update(t.Context(), stale); !errors.Is(err, client.ErrConflict) {
		t.Errorf("a basis that fn insists on: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Update(ended, increment("a")); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
	if n := sum(t, v, "a"); n != 1 {
		t.Errorf("the log holds %d increments", n)
	}
	v.Close()
	if _, err := v.Update(t.Context(), increment("a")); !errors.Is(err, client.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestAPoisonRecordStopsTheViewUnlessItMayNot.
func TestAPoisonRecordStopsTheViewUnlessItMayNot(t *testing.T) {
	addr := inprocess.Broker(t)
	create(t, addr, "t", 1)
	c := open(t, addr)
	for _, text := range []string{"1", "poison", "2"} {
		if _, err := c.Append(t.Context(), "t", 0, client.Cond{}, &kgo.Record{Key: []byte("a"), Value: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	stopped := view(t, c, "t")
	if err := stopped.Read(t.Context(), func(counters, int64) error { return nil }); err == nil {
		t.Error("the view went on")
	}
	var skipped []int64
	v := view(t, c, "t", client.OnPoison(func(r *kgo.Record, _ any) error {
		skipped = append(skipped, r.Offset)
		return nil
	}))
	if n := sum(t, v, "a"); n != 2 || len(skipped) != 1 || skipped[0] != 1 {
		t.Errorf("the sum is %d, skipped %v", n, skipped)
	}
}
