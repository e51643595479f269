package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/store"
)

// Harness is a store under test. Each story runs in a fresh one, or under a
// prefix that nobody else uses.
type Harness struct {
	Store  store.Store
	Prefix string
	// Lapse makes leases of the given ttl end that nobody keeps alive.
	Lapse func(ttl time.Duration)
	// Compact forgets the history up to and with a revision.
	Compact func(t *testing.T, rev int64)
}

// Run tells all stories.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	stories := []struct {
		name string
		tell func(*testing.T, *story)
	}{
		{"AnAbsentKeyHasRevisionZero", absentKey},
		{"EveryChangeRaisesTheRevision", revisionsRise},
		{"ListIsOrderedAndOfOneRevision", listOrdered},
		{"ListReturnsThousandsOfKeys", listMany},
		{"APrefixIsBytesNotAPath", prefixIsBytes},
		{"ATransactionHappensWhollyOrNotAtAll", txnAtomic},
		{"AFailedCompareSaysWhenAndChangesNothing", txnRefused},
		{"ATransactionWithoutOpsOnlyAsks", txnReadOnly},
		{"OfManyWritersOneWins", txnRace},
		{"TwoOpsOnOneKeyAreRefused", txnDuplicate},
		{"TooManyOpsAreRefused", txnTooMany},
		{"DeletePrefixDeletesAllUnderIt", txnDeletePrefix},
		{"AWatchDeliversAllInOrderWithoutSplittingARevision", watchOrder},
		{"AWatchStartsInThePast", watchPast},
		{"AWatchSeesItsPrefixAlone", watchPrefix},
		{"AWatchTellsOfDeletions", watchDelete},
		{"AWatchFromACompactedRevisionSaysSo", watchCompacted},
		{"AWatchEndsWithItsContext", watchEnds},
		{"ALeaseThatIsNotKeptAliveTakesItsKeysAlong", leaseLapses},
		{"ALeaseThatIsKeptAliveStays", leaseKept},
		{"RevokingALeaseDeletesItsKeysAtOnce", leaseRevoked},
		{"AKeyPutAnewLeavesItsLease", leaseLeft},
		{"AnEndedLeaseCannotBeUsed", leaseUnknown},
		{"ACancelledCallSaysSo", cancelled},
	}
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), Patience)
			defer cancel()
			s.tell(t, &story{T: t, Harness: open(t), ctx: ctx})
		})
	}
}

// FreePeers are peer URLs for n members, named from 1, on ports that were free
// just now. They are below those that the system gives away, to clients too: while a
// member is down nobody must get its port.
func FreePeers(t *testing.T, n int) map[string]string {
	peers := map[string]string{}
	for len(peers) < n {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000)))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // not before all are found
		peers[fmt.Sprint(len(peers)+1)] = "http://" + l.Addr().String()
	}
	return peers
}

// story is a harness with the calls that must not fail.
type story struct {
	*testing.T
	Harness
	ctx context.Context
}

func (s *story) key(name string) string { return s.Prefix + name }

func (s *story) put(name, value string) int64 {
	s.Helper()
	return s.txn(nil, store.Put(s.key(name), []byte(value)))
}

func (s *story) txn(compares []store.Compare, ops ...store.Op) int64 {
	s.Helper()
	ok, rev, err := s.Store.Txn(s.ctx, compares, ops)
	if err != nil || !ok {
		s.Fatalf("transaction: ok %v, error %v", ok, err)
	}
	return rev
}

func (s *story) get(name string) store.KeyValue {
	s.Helper()
	kv, _, err := s.Store.Get(s.ctx, s.key(name))
	if err != nil {
		s.Fatal(err)
	}
	return kv
}

func (s *story) grant(ttl time.Duration) store.LeaseID {
	s.Helper()
	id, err := s.Store.GrantLease(s.ctx, ttl)
	if err != nil {
		s.Fatal(err)
	}
	return id
}

func (s *story) wantAbsent(name string) {
	s.Helper()
	if kv := s.get(name); kv.ModRevision != 0 || len(kv.Value) != 0 {
		s.Fatalf("%s is there: %+v", name, kv)
	}
}

func (s *story) wantValue(name, value string) {
	s.Helper()
	if kv := s.get(name); string(kv.Value) != value {
		s.Fatalf("%s is %q, want %q", name, kv.Value, value)
	}
}

// watch collects n events.
func (s *story) watch(prefix string, from int64, n int) []store.Event {
	s.Helper()
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	var all []store.Event
	last := from - 1
	for u := range s.Store.Watch(ctx, prefix, from) {
		if u.Err != nil {
			s.Fatal(u.Err)
		}
		for _, e := range u.Events {
			if e.KV.ModRevision <= last {
				s.Fatalf("revision %d in an update after one up to %d", e.KV.ModRevision, last)
			}
			if e.KV.ModRevision > u.Revision {
				s.Fatalf("event of revision %d in an update up to %d", e.KV.ModRevision, u.Revision)
			}
		}
		last = u.Revision
		if all = append(all, u.Events...); len(all) >= n {
			return all
		}
	}
	s.Fatalf("the watch ended after %d of %d events", len(all), n)
	return nil
}

func tell(events []store.Event, prefix string) string {
	var b strings.Builder
	for _, e := range events {
		name := strings.TrimPrefix(e.KV.Key, prefix)
		if e.Deleted {
			fmt.Fprintf(&b, "-%s ", name)
		} else {
			fmt.Fprintf(&b, "%s=%s ", name, e.KV.Value)
		}
	}
	return strings.TrimSpace(b.String())
}

func (s *story) wantEvents(got []store.Event, want string) {
	s.Helper()
	if g := tell(got, s.Prefix); g != want {
		s.Fatalf("events %q, want %q", g, want)
	}
}

func absentKey(t *testing.T, s *story) {
	s.wantAbsent("nothing")
	s.put("k", "")
	if kv := s.get("k"); kv.ModRevision == 0 {
		t.Fatal("a key with an empty value counts as absent")
	}
}

func revisionsRise(t *testing.T, s *story) {
	first := s.put("a", "1")
	second := s.put("a", "1")
	if second <= first {
		t.Fatalf("revision %d after %d", second, first)
	}
	if kv := s.get("a"); kv.ModRevision != second {
		t.Fatalf("the key is of revision %d, want %d", kv.ModRevision, second)
	}
	_, now, err := s.Store.Get(s.ctx, s.key("absent"))
	if err != nil || now < second {
		t.Fatalf("read at revision %d after a write at %d: %v", now, second, err)
	}
}

func listOrdered(t *testing.T, s *story) {
	last := s.txn(nil, store.Put(s.key("b"), []byte("2")), store.Put(s.key("a/x"), []byte("1")))
	last = max(last, s.put("c", "3"))
	all, rev, err := s.Store.List(s.ctx, s.Prefix)
	if err != nil || rev < last {
		t.Fatalf("listed at revision %d after %d: %v", rev, last, err)
	}
	var keys []string
	for _, kv := range all {
		keys = append(keys, strings.TrimPrefix(kv.Key, s.Prefix))
	}
	if !slices.Equal(keys, []string{"a/x", "b", "c"}) {
		t.Fatalf("keys %v", keys)
	}
}

func listMany(t *testing.T, s *story) {
	const n = 2500 // more than two pages of any store
	for first := 0; first < n; first += store.MaxTxnOps {
		var ops []store.Op
		for i := first; i < min(n, first+store.MaxTxnOps); i++ {
			ops = append(ops, store.Put(s.key(fmt.Sprintf("k%05d", i)), []byte("v")))
		}
		s.txn(nil, ops...)
	}
	all, _, err := s.Store.List(s.ctx, s.Prefix)
	if err != nil || len(all) != n {
		t.Fatalf("%d keys, want %d: %v", len(all), n, err)
	}
	for i, kv := range all {
		if want := s.key(fmt.Sprintf("k%05d", i)); kv.Key != want {
			t.Fatalf("key %d is %s, want %s", i, kv.Key, want)
		}
	}
}

func prefixIsBytes(t *testing.T, s *story) {
	s.put("t1", "")
	s.put("t10", "")
	s.put("t2", "")
	all, _, err := s.Store.List(s.ctx, s.key("t1"))
	if err != nil || len(all) != 2 {
		t.Fatalf("%d keys: %v", len(all), err)
	}
}

func txnAtomic(t *testing.T, s *story) {
	s.put("gone", "x")
	rev := s.txn([]store.Compare{store.Absent(s.key("a"))},
		store.Put(s.key("a"), []byte("1")),
		store.Put(s.key("b"), []byte("2")),
		store.Delete(s.key("gone")))
	s.wantValue("a", "1")
	s.wantValue("b", "2")
	s.wantAbsent("gone")
	if a, b := s.get("a"), s.get("b"); a.ModRevision != rev || b.ModRevision != rev {
		t.Fatalf("revisions %d and %d in a transaction of %d", a.ModRevision, b.ModRevision, rev)
	}
}

func txnRefused(t *testing.T, s *story) {
	first := s.put("a", "1")
	second := s.put("a", "2")
	for _, c := range []store.Compare{
		{Key: s.key("a"), ModRevision: first},
		store.Absent(s.key("a")),
		{Key: s.key("absent"), ModRevision: second},
	} {
		compares := []store.Compare{{Key: s.key("a"), ModRevision: second}, c}
		ok, rev, err := s.Store.Txn(s.ctx, compares, []store.Op{store.Put(s.key("b"), nil)})
		if err != nil || ok {
			t.Fatalf("compare %+v: ok %v, %v", c, ok, err)
		}
		if rev < second {
			t.Fatalf("refused at revision %d, after %d", rev, second)
		}
	}
	s.wantAbsent("b")
}

func txnReadOnly(t *testing.T, s *story) {
	rev := s.put("a", "1")
	ok, at, err := s.Store.Txn(s.ctx, []store.Compare{{Key: s.key("a"), ModRevision: rev}}, nil)
	if err != nil || !ok || at < rev {
		t.Fatalf("ok %v at %d: %v", ok, at, err)
	}
	if ok, _, err = s.Store.Txn(s.ctx, nil, nil); err != nil || !ok {
		t.Fatalf("an empty transaction: ok %v, %v", ok, err)
	}
	if kv := s.get("a"); kv.ModRevision != rev {
		t.Fatalf("the key is of revision %d now", kv.ModRevision)
	}
}

func txnRace(t *testing.T, s *story) {
	const writers, rounds = 8, 20
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for won := 0; won < rounds; {
				kv, _, err := s.Store.Get(s.ctx, s.key("n"))
				if err != nil {
					t.Error(err)
					return
				}
				ok, _, err := s.Store.Txn(s.ctx,
					[]store.Compare{{Key: kv.Key, ModRevision: kv.ModRevision}},
					[]store.Op{store.Put(kv.Key, append(slices.Clone(kv.Value), '.'))})
				if err != nil {
					t.Error(err)
					return
				}
				if ok {
					won++
				}
			}
		})
	}
	wg.Wait()
	if kv := s.get("n"); len(kv.Value) != writers*rounds {
		t.Fatalf("%d increments left of %d", len(kv.Value), writers*rounds)
	}
}

func txnDuplicate(t *testing.T, s *story) {
	for _, ops := range [][]store.Op{
		{store.Put(s.key("a"), nil), store.Put(s.key("a"), nil)},
		{store.Put(s.key("a"), nil), store.Delete(s.key("a"))},
		{store.DeletePrefix(s.key("")), store.Put(s.key("a"), nil)},
	} {
		if _, _, err := s.Store.Txn(s.ctx, nil, ops); !errors.Is(err, store.ErrBadTxn) {
			t.Fatalf("ops %v: error %v", ops, err)
		}
	}
	s.wantAbsent("a")
}

func txnTooMany(t *testing.T, s *story) {
	var ops []store.Op
	for i := range store.MaxTxnOps + 1 {
		ops = append(ops, store.Put(s.key(fmt.Sprint(i)), nil))
	}
	if _, _, err := s.Store.Txn(s.ctx, nil, ops); !errors.Is(err, store.ErrBadTxn) {
		t.Fatalf("error %v", err)
	}
	s.txn(nil, ops[:store.MaxTxnOps]...)
}

func txnDeletePrefix(t *testing.T, s *story) {
	s.put("p/1", "")
	s.put("p/2", "")
	s.put("q", "")
	s.txn(nil, store.DeletePrefix(s.key("p/")), store.Delete(s.key("absent")))
	all, _, err := s.Store.List(s.ctx, s.Prefix)
	if err != nil || len(all) != 1 {
		t.Fatalf("%d keys left: %v", len(all), err)
	}
}

func watchOrder(t *testing.T, s *story) {
	from := s.put("start", "") + 1
	const n = 50
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range n {
			v := fmt.Append(nil, i)
			if _, _, err := s.Store.Txn(s.ctx, nil, []store.Op{store.Put(s.key("a"), v), store.Put(s.key("b"), v)}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	events := s.watch(s.Prefix, from, 2*n)
	<-done
	for i, e := range events {
		if string(e.KV.Value) != fmt.Sprint(i/2) {
			t.Fatalf("event %d is of write %s", i, e.KV.Value)
		}
	}
}

func watchPast(_ *testing.T, s *story) {
	s.put("a", "0")
	from := s.put("a", "1")
	s.put("b", "2")
	s.wantEvents(s.watch(s.Prefix, from, 2), "a=1 b=2")
}

func watchPrefix(_ *testing.T, s *story) {
	from := s.put("in/1", "x")
	s.put("out/1", "y")
	s.put("in/2", "z")
	s.wantEvents(s.watch(s.key("in/"), from, 2), "in/1=x in/2=z")
}

func watchDelete(t *testing.T, s *story) {
	from := s.put("a", "1")
	rev := s.txn(nil, store.Delete(s.key("a")))
	events := s.watch(s.Prefix, from, 2)
	s.wantEvents(events, "a=1 -a")
	if got := events[1].KV.ModRevision; got != rev {
		t.Fatalf("deleted at %d, want %d", got, rev)
	}
}

func watchCompacted(t *testing.T, s *story) {
	from := s.put("a", "1")
	s.put("a", "2")
	last := s.put("a", "3")
	s.Compact(t, last)
	u, more := <-s.Store.Watch(s.ctx, s.Prefix, from)
	if !more {
		t.Fatal("the watch ended without a word")
	}
	if !errors.Is(u.Err, store.ErrCompacted) {
		t.Fatalf("update %+v", u)
	}
	s.wantValue("a", "3")
}

func watchEnds(t *testing.T, s *story) {
	ctx, cancel := context.WithCancel(s.ctx)
	updates := s.Store.Watch(ctx, s.Prefix, s.put("a", "1"))
	cancel()
	for range updates {
	}
	if s.ctx.Err() != nil {
		t.Fatal("the channel stayed open")
	}
}

const shortest = time.Second // the least ttl that every store can do

func leaseLapses(_ *testing.T, s *story) {
	lease := s.grant(shortest)
	from := s.txn(nil,
		store.PutLeased(s.key("a"), []byte("1"), lease),
		store.PutLeased(s.key("b"), []byte("2"), lease),
		store.Put(s.key("c"), []byte("3")))
	if got := s.get("a").Lease; got != lease {
		s.Fatalf("key of lease %d, want %d", got, lease)
	}
	s.Lapse(shortest)
	s.wantEvents(s.watch(s.Prefix, from+1, 2), "-a -b")
	s.wantAbsent("a")
	s.wantValue("c", "3")
	if err := s.Store.KeepAlive(s.ctx, lease); !errors.Is(err, store.ErrLeaseNotFound) {
		s.Fatalf("error %v", err)
	}
}

func leaseKept(t *testing.T, s *story) {
	lease := s.grant(shortest)
	s.txn(nil, store.PutLeased(s.key("a"), []byte("1"), lease))
	for range 6 {
		s.Lapse(shortest / 4)
		if err := s.Store.KeepAlive(s.ctx, lease); err != nil {
			t.Fatal(err)
		}
	}
	s.wantValue("a", "1")
}

func leaseRevoked(t *testing.T, s *story) {
	lease := s.grant(time.Minute)
	from := s.txn(nil, store.PutLeased(s.key("a"), []byte("1"), lease))
	if err := s.Store.RevokeLease(s.ctx, lease); err != nil {
		t.Fatal(err)
	}
	s.wantAbsent("a")
	s.wantEvents(s.watch(s.Prefix, from, 2), "a=1 -a")
	if err := s.Store.RevokeLease(s.ctx, lease); err != nil {
		t.Fatalf("revoked again: %v", err)
	}
}

func leaseLeft(t *testing.T, s *story) {
	lease, other := s.grant(time.Minute), s.grant(time.Minute)
	s.txn(nil, store.PutLeased(s.key("a"), nil, lease), store.PutLeased(s.key("b"), nil, lease))
	s.put("a", "free")
	s.txn(nil, store.PutLeased(s.key("b"), []byte("other"), other))
	if err := s.Store.RevokeLease(s.ctx, lease); err != nil {
		t.Fatal(err)
	}
	s.wantValue("a", "free")
	s.wantValue("b", "other")
}

func leaseUnknown(t *testing.T, s *story) {
	lease := s.grant(time.Minute)
	if err := s.Store.RevokeLease(s.ctx, lease); err != nil {
		t.Fatal(err)
	}
	_, _, err := s.Store.Txn(s.ctx, nil, []store.Op{store.PutLeased(s.key("a"), nil, lease)})
	if !errors.Is(err, store.ErrLeaseNotFound) {
		t.Fatalf("put: error %v", err)
	}
	if err := s.Store.KeepAlive(s.ctx, lease); !errors.Is(err, store.ErrLeaseNotFound) {
		t.Fatalf("keep alive: error %v", err)
	}
	s.wantAbsent("a")
}

// cancelled: a store in this process might answer before it looks at the context,
// so each call is made many times.
func cancelled(t *testing.T, s *story) {
	lease := s.grant(time.Minute)
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	for name, call := range map[string]func() error{
		"get":  func() error { _, _, err := s.Store.Get(ctx, s.key("a")); return err },
		"list": func() error { _, _, err := s.Store.List(ctx, s.Prefix); return err },
		"transaction": func() error {
			_, _, err := s.Store.Txn(ctx, nil,
				[]store.Op{store.Put(s.key("a"), nil)})
			return err
		},
		"grant":      func() error { _, err := s.Store.GrantLease(ctx, time.Minute); return err },
		"keep alive": func() error { return s.Store.KeepAlive(ctx, lease) },
		"revoke":     func() error { return s.Store.RevokeLease(ctx, lease) },
	} {
		for range 100 {
			if err := call(); !errors.Is(err, context.Canceled) {
				t.Fatalf("%s: error %v", name, err)
			}
		}
	}
	s.wantAbsent("a")
}
