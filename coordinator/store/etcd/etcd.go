package etcd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.uber.org/zap"

	"github.com/lockstep-log/lockstep/coordinator/store"
)

// Store is a store.Store in etcd, outside or in this process. It owns its client.
//
// A call is bounded by etcdCallTimeout even when its context is not, because
// etcd without a quorum would let it wait for ever.
type Store struct {
	client   *clientv3.Client
	member   *etcdserver.EtcdServer // in this process; nil: etcd is outside, or in other brokers
	embedded *Embedded              // the member's; nil with it
	brokers  bool                   // the members are in brokers
	peers    map[string]string      // as the broker was told of them, by name

	ctx     context.Context // ended by Close, ends the watches
	cancel  context.CancelFunc
	watches sync.WaitGroup
}

const (
	etcdCallTimeout = 5 * time.Second
	etcdDialTimeout = 5 * time.Second
	// etcdCompactTimeout: etcd takes a second for 100,000 revisions.
	etcdCompactTimeout = 30 * time.Second
	// etcdPage is how many keys one range request of List takes.
	etcdPage = 1000
	// Dead connections to an outside etcd are found within the sum of these.
	etcdKeepAliveTime    = 2 * time.Second
	etcdKeepAliveTimeout = 2 * time.Second
)

// New wraps a client, which Close will close.
func New(client *clientv3.Client) *Store {
	s := &Store{client: client}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Dial connects to an outside etcd. It does not wait until one of the
// endpoints answers: the first call does.
func Dial(endpoints []string, files TLSFiles) (*Store, error) { return dial(endpoints, 0, files) }

// DialBrokers connects to the members in other brokers, at their peer URLs, and
// follows them when they change.
func DialBrokers(peerURLs []string, files TLSFiles) (*Store, error) {
	useTLS(files)
	s, err := dial(peerURLs, etcdSyncInterval, files)
	if err == nil {
		s.brokers = true
	}
	return s, err
}

// etcdSyncInterval is how often a client of other brokers' members looks who they are.
const etcdSyncInterval = 30 * time.Second

func dial(endpoints []string, sync time.Duration, files TLSFiles) (*Store, error) {
	secure, err := clientTLS(endpoints, files)
	if err != nil {
		return nil, err
	}
	client, err := clientv3.New(clientv3.Config{
		TLS:                  secure,
		Endpoints:            endpoints,
		AutoSyncInterval:     sync,
		DialTimeout:          etcdDialTimeout,
		DialKeepAliveTime:    etcdKeepAliveTime,
		DialKeepAliveTimeout: etcdKeepAliveTimeout,
		Logger:               zap.NewNop(),
	})
	if err != nil {
		return nil, fmt.Errorf("dial etcd %v: %w", endpoints, err)
	}
	return New(client), nil
}

// begin bounds a call. One whose context has ended is not made: a member in this
// process might take it all the same.
func begin(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	call, cancel := context.WithTimeout(ctx, etcdCallTimeout)
	return call, cancel, nil
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key string) (store.KeyValue, int64, error) {
	call, cancel, err := begin(ctx)
	if err != nil {
		return store.KeyValue{}, 0, err
	}
	defer cancel()
	r, err := s.client.KV.Get(call, key)
	if err != nil {
		return store.KeyValue{}, 0, etcdError(ctx, "get "+key, err)
	}
	if len(r.Kvs) == 0 {
		return store.KeyValue{Key: key}, r.Header.Revision, nil
	}
	return keyValue(r.Kvs[0]), r.Header.Revision, nil
}

// List implements store.Store. It takes the keys page by page, at the revision of the first page.
func (s *Store) List(ctx context.Context, prefix string) ([]store.KeyValue, int64, error) {
	var all []store.KeyValue
	next, end := prefix, clientv3.GetPrefixRangeEnd(prefix)
	var rev int64
	for {
		r, err := s.page(ctx, next, end, rev)
		if err != nil {
			return nil, 0, etcdError(ctx, "list "+prefix, err)
		}
		if rev == 0 {
			rev = r.Header.Revision
		}
		for _, kv := range r.Kvs {
			all = append(all, keyValue(kv))
		}
		if !r.More {
			return all, rev, nil
		}
		next = all[len(all)-1].Key + "\x00"
	}
}

func (s *Store) page(ctx context.Context, from, end string, rev int64) (*clientv3.GetResponse, error) {
	call, cancel, err := begin(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	return s.client.KV.Get(call, from,
		clientv3.WithRange(end), clientv3.WithLimit(etcdPage), clientv3.WithRev(rev),
		clientv3.WithSort(clientv3.SortByKey, clientv3.SortAscend))
}

// Txn implements store.Store.
func (s *Store) Txn(ctx context.Context, compares []store.Compare, ops []store.Op) (bool, int64, error) {
	if err := store.CheckTxn(compares, ops); err != nil {
		return false, 0, err
	}
	call, cancel, err := begin(ctx)
	if err != nil {
		return false, 0, err
	}
	defer cancel()
	r, err := s.client.KV.Txn(call).If(etcdCompares(compares)...).Then(etcdOps(ops)...).Commit()
	if err != nil {
		return false, 0, etcdError(ctx, "transaction", err)
	}
	return r.Succeeded, r.Header.Revision, nil
}

func etcdCompares(compares []store.Compare) []clientv3.Cmp {
	all := make([]clientv3.Cmp, len(compares))
	for i, c := range compares {
		all[i] = clientv3.Compare(clientv3.ModRevision(c.Key), "=", c.ModRevision)
	}
	return all
}

func etcdOps(ops []store.Op) []clientv3.Op {
	all := make([]clientv3.Op, len(ops))
	for i, op := range ops {
		switch op.Kind {
		case store.OpPut:
			all[i] = clientv3.OpPut(op.Key, string(op.Value), clientv3.WithLease(clientv3.LeaseID(op.Lease)))
		case store.OpDelete:
			all[i] = clientv3.OpDelete(op.Key)
		case store.OpDeletePrefix:
			all[i] = clientv3.OpDelete(op.Key, clientv3.WithPrefix())
		default:
			panic(fmt.Sprintf("etcd: op kind %d", op.Kind))
		}
	}
	return all
}

// GrantLease implements store.Store. etcd counts in seconds and has a least ttl of its own.
func (s *Store) GrantLease(ctx context.Context, ttl time.Duration) (store.LeaseID, error) {
	call, cancel, err := begin(ctx)
	if err != nil {
		return 0, err
	}
	defer cancel()
	r, err := s.client.Lease.Grant(call, int64(math.Ceil(ttl.Seconds())))
	if err != nil {
		return 0, etcdError(ctx, "grant lease", err)
	}
	return store.LeaseID(r.ID), nil
}

// KeepAlive implements store.Store.
func (s *Store) KeepAlive(ctx context.Context, id store.LeaseID) error {
	call, cancel, err := begin(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	if _, err := s.client.Lease.KeepAliveOnce(call, clientv3.LeaseID(id)); err != nil {
		return etcdError(ctx, "keep lease alive", err)
	}
	return nil
}

// RevokeLease implements store.Store.
func (s *Store) RevokeLease(ctx context.Context, id store.LeaseID) error {
	call, cancel, err := begin(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	_, err = s.client.Lease.Revoke(call, clientv3.LeaseID(id))
	if err = etcdError(ctx, "revoke lease", err); errors.Is(err, store.ErrLeaseNotFound) {
		return nil
	}
	return err
}

// Compact forgets the history up to and with rev, and returns when its space is free.
func (s *Store) Compact(ctx context.Context, rev int64) error {
	call, cancel := context.WithTimeout(ctx, etcdCompactTimeout)
	defer cancel()
	_, err := s.client.KV.Compact(call, rev, clientv3.WithCompactPhysical())
	return etcdError(ctx, "compact", err)
}

// Forget is Compact where somebody else may have done it.
func (s *Store) Forget(ctx context.Context, rev int64) error {
	if err := s.Compact(ctx, rev); !errors.Is(err, store.ErrCompacted) {
		return err
	}
	return nil
}

// Settle has a member in this process write to its file what it holds in memory.
// What a compaction has freed counts as free only two such commits later, and etcd
// makes none while nothing is written.
func (s *Store) Settle() {
	if s.member != nil {
		s.member.Backend().ForceCommit()
	}
}

// Local reports whether the member is in this process.
func (s *Store) Local() bool { return s.member != nil }

// Alone reports whether the member is in this process and has no peers: no other
// broker shares the store.
func (s *Store) Alone() bool {
	return s.Local() && len(s.embedded.others()) == 0 && !s.embedded.hasPort()
}

// InBrokers reports whether the members are in brokers, this one's among them or not.
func (s *Store) InBrokers() bool { return s.Local() || s.brokers }

// Close implements store.Store.
func (s *Store) Close() error {
	s.cancel()
	s.watches.Wait()
	if err := s.client.Close(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("close etcd client: %w", err)
	}
	return nil
}

// etcdError sorts etcd's errors into the Store's. The caller's own cancellation stays what it is.
func etcdError(ctx context.Context, doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, rpctypes.ErrCompacted):
		return fmt.Errorf("%s: %w", doing, store.ErrCompacted)
	case errors.Is(err, rpctypes.ErrLeaseNotFound):
		return fmt.Errorf("%s: %w", doing, store.ErrLeaseNotFound)
	case isFull(err):
		return fmt.Errorf("%s: %w: %w", doing, store.ErrFull, err)
	case errors.Is(err, rpctypes.ErrDuplicateKey), errors.Is(err, rpctypes.ErrTooManyOps), errors.Is(err,
		rpctypes.ErrRequestTooLarge):
		return fmt.Errorf("%s: %w: %w", doing, store.ErrBadTxn, err)
	}
	return fmt.Errorf("%s: %w: %w", doing, store.ErrUnavailable, err)
}
