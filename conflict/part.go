package conflict

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/lockstep-log/lockstep/protocol"
)

// Part is the locks and lock-ids of one partition in the Base. It belongs to
// the partition's LockTable; while a generation is being written, only
// history changes. A nil Part has nothing.
type Part struct {
	base *Base
	at   prefix
	meta meta // what was written and confirmed

	history atomic.Int64 // history start: raised before locks are forgotten

	idsSweptMs, locksSweptMs int64 // of the one that writes
}

func openPart(b *Base, at prefix) (*Part, error) {
	p := &Part{base: b, at: at, meta: noMeta}
	value, closer, err := b.db.Get(at.appendKey(nil, kindMeta, nil))
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return p, nil
	case err != nil:
		return nil, fmt.Errorf("read lock base: %w", err)
	}
	defer closer.Close()
	m, ok := readMeta(value)
	if !ok {
		return p, p.clear(p.whole, noMeta)
	}
	p.meta = m
	p.history.Store(int64(m.history))
	return p, nil
}

func (p *Part) historyStart() protocol.Offset { return protocol.Offset(p.history.Load()) }

// reconcile compares the Part with the log that it was folded from.
func (p *Part) reconcile(logStart, logEnd protocol.Offset) error {
	switch {
	case p == nil:
		return nil
	case p.meta.applied >= logEnd:
		// It knows what the log has lost.
		return p.clear(p.whole, startingAt(logStart))
	case p.meta.applied+1 < logStart:
		// Writes are missing, so a lock may have a newer one than it says. A
		// lock-id stays what it is.
		m := startingAt(logStart)
		m.hasIDs = p.meta.hasIDs
		return p.clear(p.locks, m)
	default:
		return nil
	}
}

// startingAt is a table that knows nothing of what was before an offset.
func startingAt(o protocol.Offset) meta {
	m := noMeta
	m.applied, m.history = o-1, o
	return m
}

func (p *Part) whole() (start, end []byte) {
	return p.at.appendKey(nil, 0, nil), p.at.appendKey(nil, 0xff, nil)
}

func (p *Part) locks() (start, end []byte) { return p.at.span(kindLock) }

// clear forgets a range and replaces the meta.
func (p *Part) clear(span func() (start, end []byte), m meta) error {
	batch := p.base.db.NewBatch()
	defer batch.Close()
	start, end := span()
	err := errors.Join(
		batch.DeleteRange(start, end, nil),
		batch.Set(p.at.appendKey(nil, kindMeta, nil), m.append(nil), nil),
		batch.Commit(pebble.NoSync),
	)
	if err != nil {
		return fmt.Errorf("clear lock base: %w", err)
	}
	p.meta = m
	p.history.Store(int64(m.history))
	return nil
}

// lock is the newest write of a lock, or None, and its writer's lock-id.
func (p *Part) lock(name []byte) (last protocol.Offset, by []byte, err error) {
	last = protocol.None
	if p == nil || !p.meta.hasLocks {
		return last, nil, nil
	}
	_, err = p.get(kindLock, name, func(value []byte) (ok bool) {
		last, _, by, ok = readLock(value)
		by = append([]byte(nil), by...)
		return ok
	})
	return last, by, err
}

// id is what was appended under a lock-id.
func (p *Part) id(id []byte) (e idEntry, found bool, err error) {
	if p == nil || !p.meta.hasIDs {
		return e, false, nil
	}
	found, err = p.get(kindID, id, func(value []byte) (ok bool) {
		e, _, ok = readID(value)
		return ok
	})
	return e, found, err
}

// get reads one entry. Most lock-ids asked for are new, so absence must be
// cheap: by an iterator the bloom filters of the lowest level count as well,
// where Pebble's Get would read a block instead.
func (p *Part) get(kind byte, name []byte, read func([]byte) bool) (found bool, err error) {
	var buf [keyBytesMax]byte
	key := p.at.appendKey(buf[:0], kind, name)
	iter, err := p.base.db.NewIter(&pebble.IterOptions{UseL6Filters: true})
	if err != nil {
		return false, fmt.Errorf("read lock base: %w", err)
	}
	found = iter.SeekPrefixGE(key) && bytes.Equal(iter.Key(), key)
	well := !found || read(iter.Value())
	if err := iter.Close(); err != nil {
		return false, fmt.Errorf("read lock base: %w", err)
	}
	if !well {
		return false, fmt.Errorf("read lock base: an entry of kind %q is damaged", kind)
	}
	return found, nil
}
