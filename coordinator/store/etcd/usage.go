package etcd

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Usage is how much of the metadata store is in use.
type Usage struct {
	Bytes int64 // of the largest member's file, which grows and never shrinks by itself
	InUse int64 // of those, what holds keys and their history
	Quota int64 // of Bytes, beyond which etcd takes no more writes
	Full  bool  // a member has said so, and etcd takes none
	Local bool  // it is of a member in this process, to be looked after by it
}

// Usage says how much of etcd is in use: of the member in this process, or of an
// outside cluster's largest.
func (s *Store) Usage(ctx context.Context) (Usage, error) {
	if s.member != nil {
		u := Usage{Bytes: s.member.Backend().Size(), InUse: s.member.Backend().SizeInUse(),
			Quota: s.member.Cfg.QuotaBackendBytes, Local: true}
		for _, a := range s.member.Alarms() {
			u.Full = u.Full || a.Alarm == etcdserverpb.AlarmType_NOSPACE
		}
		return u, nil
	}
	call, cancel := context.WithTimeout(ctx, etcdCallTimeout)
	defer cancel()
	var u Usage
	for _, endpoint := range s.client.Endpoints() {
		status, err := s.client.Status(call, endpoint)
		if err != nil {
			return Usage{}, etcdError(ctx, "ask etcd for its status", err)
		}
		if status.DbSize > u.Bytes {
			u.Bytes, u.InUse, u.Quota = status.DbSize, status.DbSizeInUse, status.DbSizeQuota
		}
	}
	alarms, err := s.client.AlarmList(call)
	if err != nil {
		return Usage{}, etcdError(ctx, "ask etcd for its alarms", err)
	}
	for _, a := range alarms.Alarms {
		u.Full = u.Full || a.Alarm == etcdserverpb.AlarmType_NOSPACE
	}
	return u, nil
}

// Reclaim makes a full member in this process take writes again: history goes, the
// file is written anew without its holes, and then the alarm may go as well. Where
// other members are full still, they raise it again and do the same.
func (s *Store) Reclaim(ctx context.Context) error {
	if err := s.Forget(ctx, s.member.KV().Rev()); err != nil {
		return err
	}
	if backend := s.member.Backend(); backend.Size() > s.member.Cfg.QuotaBackendBytes/2 {
		if err := s.member.Defragment(); err != nil {
			return fmt.Errorf("defragment etcd: %w", err)
		}
	}
	for _, a := range s.member.Alarms() {
		if a.Alarm != etcdserverpb.AlarmType_NOSPACE {
			continue
		}
		call, cancel := context.WithTimeout(ctx, etcdCallTimeout)
		_, err := s.client.AlarmDisarm(call, &clientv3.AlarmMember{MemberID: a.MemberID, Alarm: a.Alarm})
		cancel()
		if err != nil {
			return etcdError(ctx, "disarm the alarm", err)
		}
	}
	return nil
}

// reclaimAtStart is Reclaim for a store that was left full. A broker on it could
// not even register.
func (e *Embedded) reclaimAtStart(ctx context.Context, o EmbeddedOptions) error {
	before, err := e.store.Usage(ctx)
	if err != nil || !before.Full {
		return err
	}
	o.Logger.Warn("metadata store is full; reclaiming space", "bytes", before.Bytes, "in use", before.InUse, "quota",
		before.Quota)
	if err := e.store.Reclaim(ctx); err != nil {
		return fmt.Errorf("the store is full, and no space can be reclaimed: %w", err)
	}
	after, err := e.store.Usage(ctx)
	o.Logger.Info("metadata store is below its quota again", "bytes", after.Bytes, "in use", after.InUse)
	return err
}

// isFull reports whether etcd has refused to grow.
func isFull(err error) bool { return errors.Is(err, rpctypes.ErrNoSpace) }
