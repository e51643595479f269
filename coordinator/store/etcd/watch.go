package etcd

import (
	"context"
	"fmt"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/lockstep-log/lockstep/coordinator/store"
)

// Watch implements store.Store. The client resumes by itself over a lost connection;
// WithRequireLeader makes a member that is cut off from its quorum say so,
// instead of staying silent.
func (s *Store) Watch(ctx context.Context, prefix string, fromRev int64) <-chan store.Update {
	out := make(chan store.Update)
	if s.ctx.Err() != nil {
		close(out)
		return out
	}
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	stop := context.AfterFunc(s.ctx, cancel)
	in := s.client.Watcher.Watch(ctx, prefix, clientv3.WithPrefix(), clientv3.WithRev(fromRev))

	s.watches.Add(1)
	go func() {
		defer s.watches.Done()
		defer close(out)
		defer cancel()
		defer stop()
		forward(ctx, in, out)
	}()
	return out
}

func forward(ctx context.Context, in <-chan clientv3.WatchResponse, out chan<- store.Update) {
	for {
		u := store.Update{Err: fmt.Errorf("watch: %w: it ended", store.ErrUnavailable)}
		if r, ok := <-in; ok {
			u = update(ctx, r)
		}
		if u.Err == nil && len(u.Events) == 0 {
			continue
		}
		if ctx.Err() != nil {
			return
		}
		select {
		case out <- u:
		case <-ctx.Done():
			return
		}
		if u.Err != nil {
			return
		}
	}
}

func update(ctx context.Context, r clientv3.WatchResponse) store.Update {
	if err := r.Err(); err != nil {
		return store.Update{Err: etcdError(ctx, "watch", err)}
	}
	var u store.Update
	for _, e := range r.Events {
		u.Events = append(u.Events, store.Event{KV: keyValue(e.Kv), Deleted: e.Type == mvccpb.Event_DELETE})
		// The response's own revision may be ahead of what it delivers, so the last event's counts.
		u.Revision = e.Kv.ModRevision
	}
	return u
}

func keyValue(kv *mvccpb.KeyValue) store.KeyValue {
	return store.KeyValue{Key: string(kv.Key), Value: kv.Value, ModRevision: kv.ModRevision,
		Lease: store.LeaseID(kv.Lease)}
}
