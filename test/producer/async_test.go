package producer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/test/inprocess"
)

// TestAsyncAppendsOfOneGoroutineAreJudgedInOrder: each depends on the one
// before it, by a lock that only it has written, and all are under way at once.
func TestAsyncAppendsOfOneGoroutineAreJudgedInOrder(t *testing.T) {
	addr := inprocess.Broker(t)
	create(t, addr, "t", 1)
	c := open(t, addr, client.Buffered(64), client.BatchBytes(3000))
	const n = 3000
	var wg sync.WaitGroup
	wg.Add(n)
	offsets := make([]int64, n)
	for i := range n {
		cond := client.Cond{ID: fmt.Sprint(i), Basis: client.None, Locks: []client.Lock{client.Write(fmt.Sprint(i))}}
		if i%100 == 99 {
			cond.Locks = append(cond.Locks, client.Read(fmt.Sprint(i-1))) // written, and not read: refused
		}
		c.AppendAsync(t.Context(), "t", 0, cond, func(r client.Result, err error) {
			defer wg.Done()
			if offsets[i] = r.Offset; i%100 != 99 {
				if err != nil {
					t.Errorf("%d: %v", i, err)
				}
				return
			}
			var e *client.Error
			if offsets[i] = -1; !errors.As(err, &e) || e.By != fmt.Sprint(i-1) {
				t.Errorf("%d: %+v, %v", i, r, err)
			}
		}, value("%d", i))
	}
	wg.Wait()
	last := int64(-1)
	for i, offset := range offsets {
		if offset < 0 {
			continue
		}
		if offset <= last {
			t.Fatalf("%d is at %d, the one before it at %d", i, offset, last)
		}
		last = offset
	}
}

// TestAsyncAppendsEndWithTheirContextOrTheirClient, once each.
func TestAsyncAppendsEndWithTheirContextOrTheirClient(t *testing.T) {
	addr := inprocess.Broker(t)
	create(t, addr, "t", 1)
	for _, how := range []string{"context", "client"} {
		c, err := client.New(dial(t, addr))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		const n = 2000
		var wg sync.WaitGroup
		wg.Add(n)
		ended := 0
		var mu sync.Mutex
		for i := range n {
			if i == n/2 {
				cancel()
				if how == "client" {
					go c.Close()
				}
			}
			with := ctx
			if how == "client" {
				with = t.Context()
			}
			c.AppendAsync(with, "t", 0, client.Cond{}, func(_ client.Result, err error) {
				defer wg.Done()
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					return
				}
				ended++
				if !errors.Is(err, context.Canceled) && !errors.Is(err, client.ErrClosed) {
					t.Errorf("%d: %v", i, err)
				}
			}, value("%d", i))
		}
		wg.Wait()
		c.Close()
		if how == "context" && ended < n/2 {
			t.Errorf("%s: %d of %d ended without being sent", how, ended, n)
		}
	}
}
