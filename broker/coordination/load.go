package coordination

import (
	"context"
	"errors"
	"fmt"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

// What ends a load for good.
var (
	errLeadershipOver = errors.New("this broker leads the partition no more, or in another epoch")
	errOffline        = errors.New("the partition's replica has failed")
)

// load folds the log as far as the leadership began with, once that is
// committed: what an earlier leader acknowledged is then all there, and nothing
// that may be taken back. It waits until appends are possible too: a state that
// they would leave behind at once is not worth the reading.
func (sh *Shard[S]) load(ctx context.Context) (machine S, err error) {
	if err := sh.await(ctx, func() bool { return sh.leads() && sh.enoughInSync() }); err != nil {
		return machine, err
	}
	end := sh.Partition.End()
	if err := sh.await(ctx, func() bool { return sh.Partition.HighWatermark() >= end }); err != nil {
		return machine, err
	}
	select {
	case sh.r.slots <- struct{}{}:
		defer func() { <-sh.r.slots }()
	case <-ctx.Done():
		return machine, ctx.Err()
	}
	machine = sh.r.o.New()
	err = sh.Partition.Log().Scan(sh.Partition.Start(), end, func(b record.Batch) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return replay(machine, b, sh.r.o.Limits)
	})
	return machine, err
}

// leads reports whether the replica has taken up this leadership. The metadata
// shows it first.
func (sh *Shard[S]) leads() bool {
	st := sh.Partition.State()
	return st.Role == replica.RoleLeader && st.Epoch == sh.Epoch
}

// enoughInSync reports whether as many replicas are in sync as an append asks for.
func (sh *Shard[S]) enoughInSync() bool {
	st := sh.Partition.State()
	return len(st.ISR) >= min(sh.r.o.Partitions.MinInsync(), len(st.Replicas))
}

// await returns when good, or when the leadership is over or can do no more.
func (sh *Shard[S]) await(ctx context.Context, good func() bool) error {
	moved := replica.NewWatcher()
	sh.Partition.Watch(moved)
	defer sh.Partition.Unwatch(moved)
	for !good() {
		switch st := sh.Partition.State(); {
		case st.Epoch > sh.Epoch:
			return errLeadershipOver
		case st.Err != nil:
			return errOffline
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved.C:
		}
	}
	return nil
}

// replay folds one batch.
func replay(machine Machine, b record.Batch, limits record.Limits) error {
	records, err := b.Open(limits)
	if err != nil {
		return err
	}
	defer records.Release()
	by := Origin{ProducerID: b.ProducerID(), ProducerEpoch: b.ProducerEpoch(), Transactional: b.Transactional(), Control: b.Control()}
	if by.Control {
		marker, ok := records.Marker()
		if !ok {
			return nil // something that a later version may write
		}
		by.Commits = marker.Commit
	}
	for w := records.Walk(); w.Next(); {
		at := b.BaseOffset() + protocol.Offset(w.OffsetDelta)
		if err := machine.Replay(at, by, Record{w.Key, w.Value}); err != nil {
			return fmt.Errorf("offset %d: %w", at, err)
		}
	}
	return nil
}
