package producer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/test/inprocess"
)

// TestAnAppendEndsInOneOutcome goes once through all outcomes that a healthy
// broker can give.
func TestAnAppendEndsInOneOutcome(t *testing.T) {
	addr := inprocess.Broker(t)
	create(t, addr, "t", 1)
	c := open(t, addr)
	ctx := t.Context()

	first, err := c.Append(ctx, "t", 0, client.Cond{ID: "one", Basis: client.None, Locks: []client.Lock{client.Write("a b")}}, value("1"))
	if err != nil || first.Offset != 0 || first.Repeated {
		t.Fatalf("first: %+v, %v", first, err)
	}
	again, err := c.Append(ctx, "t", 0, client.Cond{ID: "one", Basis: client.None, Locks: []client.Lock{client.Write("a b")}}, value("1"))
	if err != nil || again.Offset != 0 || !again.Repeated {
		t.Errorf("again: %+v, %v", again, err)
	}
	_, err = c.Append(ctx, "t", 0, client.Cond{Basis: client.None, Locks: []client.Lock{client.Read("a b")}}, value("2"))
	if e := refusal(t, err); e.Lock != "a%20b" || e.Last != 0 || e.Basis != client.None || e.By != "one" || e.Topic != "t" || e.Record != 0 || !errors.Is(err, client.ErrConflict) {
		t.Errorf("conflict: %+v", e)
	}
	_, err = c.Append(ctx, "t", 0, client.Cond{ID: "one"}, value("other"))
	if e := refusal(t, err); e.Last != 0 || !errors.Is(err, client.ErrDuplicate) {
		t.Errorf("duplicate: %+v", e)
	}
	_, err = c.Append(ctx, "t", 0, client.Cond{Basis: 99, Locks: []client.Lock{client.Write("x")}}, value("2"))
	if refusal(t, err); !errors.Is(err, client.ErrMalformed) {
		t.Errorf("future basis: %v", err)
	}
	_, err = c.Append(ctx, "t", 0, client.Cond{ID: "has space"}, value("2"))
	if refusal(t, err); !errors.Is(err, client.ErrMalformed) {
		t.Errorf("bad id: %v", err)
	}
	three, err := c.Append(ctx, "t", 0, client.Cond{Basis: 0, Locks: []client.Lock{client.Write("a b"), client.Append("log"), client.Partition().At(100)}}, value("3"))
	if err == nil {
		t.Errorf("a basis of 100 was admitted: %+v", three)
	}
	next, err := c.Append(ctx, "t", 0, client.Cond{Basis: 0, Locks: []client.Lock{client.Write("a b")}}, value("3"), value("4"), value("5"))
	if err != nil || len(next.Offsets()) != 3 || next.Last() != next.Offset+2 {
		t.Fatalf("three records: %+v, %v", next, err)
	}
	_, err = c.Append(ctx, "t", 0, client.Cond{Basis: next.Offset + 1, Locks: []client.Lock{client.Write("a b")}}, value("6"))
	if e := refusal(t, err); e.Last != next.Last() {
		t.Errorf("who has read part of an append has not read its locks: %+v", e)
	}
	if _, err := c.Append(ctx, "t", 0, client.Cond{}, value("7")); err != nil {
		t.Errorf("without a condition: %v", err)
	}
	if _, err := c.Append(ctx, "absent", 0, client.Cond{}, value("8")); err == nil || errors.Is(err, client.ErrUnknownResult) {
		t.Errorf("unknown topic: %v", err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.Append(ended, "t", 0, client.Cond{}, value("9")); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
	c.Close()
	if _, err := c.Append(ctx, "t", 0, client.Cond{}, value("9")); !errors.Is(err, client.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestInnocentsOfASharedBatchGoIn: of many appends in flight at once, one in a
// hundred is stale. Each gets its own verdict, and the log holds the admitted
// ones where they were said to be, and no others.
func TestInnocentsOfASharedBatchGoIn(t *testing.T) {
	for _, codec := range []string{"none", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			addr := inprocess.Broker(t)
			create(t, addr, "t", 1)
			c := open(t, addr, client.Compression(codec))
			if _, err := c.Append(t.Context(), "t", 0, client.Cond{Basis: client.None, Locks: []client.Lock{client.Write("hot")}}, value("hot")); err != nil {
				t.Fatal(err)
			}
			const writers, each = 100, 40
			var mu sync.Mutex
			admitted, refused, last := map[int64]string{0: "hot"}, 0, int64(0)
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for i := range each {
						name := fmt.Sprintf("%d.%d", w, i)
						cond := client.Cond{Basis: client.None, Locks: []client.Lock{client.Write(name)}}
						stale := (w+i)%100 == 0
						if stale {
							cond.Locks = append(cond.Locks, client.Read("hot"))
						}
						r, err := c.Append(t.Context(), "t", 0, cond, value("%s", name))
						mu.Lock()
						switch {
						case err == nil && !stale:
							admitted[r.Offset], last = name, max(last, r.Offset)
						case errors.Is(err, client.ErrConflict) && stale:
							refused++
						default:
							t.Errorf("%s: %+v, %v", name, r, err)
						}
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			got := read(t, addr, "t", last+1)
			if len(got) != len(admitted) || len(admitted)+refused != writers*each+1 {
				t.Errorf("%d records, %d admitted, %d refused", len(got), len(admitted), refused)
			}
			for offset, name := range admitted {
				if got[offset] != name {
					t.Errorf("offset %d holds %q, want %q", offset, got[offset], name)
				}
			}
		})
	}
}

// TestAPolicyRefusesOnlyItsOffenders: the broker refuses such a batch as a
// whole, and the client finds out whom that concerns.
func TestAPolicyRefusesOnlyItsOffenders(t *testing.T) {
	addr := inprocess.Broker(t)
	create(t, addr, "t", 1, "conflict.policy", "required", "max.message.bytes", "20000")
	c := open(t, addr)
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			switch {
			case i%10 == 0:
				_, err := c.Append(t.Context(), "t", 0, client.Cond{}, value("%d", i))
				if !errors.Is(err, client.ErrMalformed) {
					t.Errorf("%d without locks: %v", i, err)
				}
			case i%10 == 1:
				_, err := c.Append(t.Context(), "t", 0, client.Cond{Basis: client.None, Locks: []client.Lock{client.Write(fmt.Sprint(i))}}, value("%030000d", i))
				if err == nil || errors.Is(err, client.ErrUnknownResult) {
					t.Errorf("%d too large: %v", i, err)
				}
			default:
				_, err := c.Append(t.Context(), "t", 0, client.Cond{Basis: client.None, Locks: []client.Lock{client.Write(fmt.Sprint(i))}}, value("%01000d", i))
				if err != nil {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
}

// TestAClientAwaitsItsFirstBroker: it is made while nobody answers, as when
// both are started at once.
func TestAClientAwaitsItsFirstBroker(t *testing.T) {
	addr := inprocess.Broker(t)
	create(t, addr, "t", 1)
	var dials atomic.Int32
	late := kgo.Dialer(func(ctx context.Context, network, host string) (net.Conn, error) {
		if dials.Add(1) <= 3 {
			return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		}
		return new(net.Dialer).DialContext(ctx, network, host)
	})
	c, err := client.New(dial(t, addr, late))
	if err != nil {
		t.Fatalf("after %d dials: %v", dials.Load(), err)
	}
	defer c.Close()
	if _, err := c.Append(t.Context(), "t", 0, client.Cond{}, value("1")); err != nil || dials.Load() <= 3 {
		t.Errorf("%v, after %d dials", err, dials.Load())
	}
}

// TestAClientWithoutBrokersGivesUp, and says why.
func TestAClientWithoutBrokersGivesUp(t *testing.T) {
	var dials atomic.Int32
	never := kgo.Dialer(func(_ context.Context, network, _ string) (net.Conn, error) {
		dials.Add(1)
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	})
	c, err := client.New(dial(t, "127.0.0.1:1", never), client.RequestTimeout(50*time.Millisecond))
	if c != nil || err == nil || errors.Is(err, client.ErrUnsupported) || dials.Load() == 0 {
		t.Errorf("%v, after %d dials", err, dials.Load())
	}
}
