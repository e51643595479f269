package coordinator

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver"
)

// ErrStoreFull refuses what would make the metadata store larger. What makes it
// smaller goes on.
var ErrStoreFull = errors.New("metadata store is full")

// Room is how much of the metadata store is taken.
type Room struct {
	Bytes int64 // of the largest member's file, which grows and never shrinks by itself
	InUse int64 // of those, what holds keys and their history
	Quota int64 // of Bytes, beyond which etcd takes no more writes
	Full  bool  // a member has said so, and etcd takes none
	Ours  bool  // the member is this broker's own, to be looked after by it
}

// Room says how much of etcd is taken: of this broker's own member, or of an
// outside cluster's largest.
func (s *EtcdStore) Room(ctx context.Context) (Room, error) {
	if s.member != nil {
		r := Room{Bytes: s.member.Backend().Size(), InUse: s.member.Backend().SizeInUse(), Quota: s.member.Cfg.QuotaBackendBytes, Ours: true}
		for _, a := range s.member.Alarms() {
			r.Full = r.Full || a.Alarm == etcdserverpb.AlarmType_NOSPACE
		}
		return r, nil
	}
	call, cancel := context.WithTimeout(ctx, etcdCallTimeout)
	defer cancel()
	var r Room
	for _, endpoint := range s.client.Endpoints() {
		status, err := s.client.Status(call, endpoint)
		if err != nil {
			return Room{}, etcdError(ctx, "ask etcd for its status", err)
		}
		if status.DbSize > r.Bytes {
			r.Bytes, r.InUse, r.Quota = status.DbSize, status.DbSizeInUse, status.DbSizeQuota
		}
	}
	alarms, err := s.client.AlarmList(call)
	if err != nil {
		return Room{}, etcdError(ctx, "ask etcd for its alarms", err)
	}
	for _, a := range alarms.Alarms {
		r.Full = r.Full || a.Alarm == etcdserverpb.AlarmType_NOSPACE
	}
	return r, nil
}

// makeRoom makes a full member take writes again: history goes, the file is
// written anew without its holes, and then the alarm may go as well. Where
// other members are full still, they raise it again and do the same.
func (s *EtcdStore) makeRoom(ctx context.Context) error {
	if err := s.forget(ctx, s.member.KV().Rev()); err != nil {
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

// makeRoomAtStart is makeRoom for a store that was left full. A broker on it
// could not even register.
func (e *Embedded) makeRoomAtStart(ctx context.Context, o EmbeddedOptions) error {
	before, err := e.store.Room(ctx)
	if err != nil || !before.Full {
		return err
	}
	o.Logger.Warn("metadata store is full; making room", "bytes", before.Bytes, "in use", before.InUse, "quota", before.Quota)
	if err := e.store.makeRoom(ctx); err != nil {
		return fmt.Errorf("the store is full, and no room can be made: %w", err)
	}
	after, err := e.store.Room(ctx)
	o.Logger.Info("metadata store has room again", "bytes", after.Bytes, "in use", after.InUse)
	return err
}

// isFull reports whether etcd has refused to grow.
func isFull(err error) bool { return errors.Is(err, rpctypes.ErrNoSpace) }

// ofMember makes a store one of a member in this process.
func (s *EtcdStore) ofMember(member *etcdserver.EtcdServer, peers map[string]string) {
	s.member, s.alone, s.peers = member, len(peers) == 0, peers
}
