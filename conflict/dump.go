package conflict

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/lockstep-log/lockstep/protocol"
)

// Dump calls f with every lock, in the order of names: its newest write and
// that writer's lock-id. f must not keep the bytes. It reads everything, so it
// is for people and tests.
func (c *LockTable) Dump(f func(name []byte, last protocol.Offset, by []byte)) error {
	window := c.windowEntries()
	err := c.base.eachLock(func(name []byte, last protocol.Offset, by []byte) {
		for len(window) > 0 {
			order := bytes.Compare(window[0].name, name)
			if order > 0 {
				break
			}
			f(window[0].name, window[0].last, window[0].by)
			window = window[1:]
			if order == 0 {
				return // the window has the newer write
			}
		}
		f(name, last, by)
	})
	if err != nil {
		return err
	}
	for _, e := range window {
		f(e.name, e.last, e.by)
	}
	return nil
}

type dumpEntry struct {
	name []byte
	last protocol.Offset
	by   []byte
}

// windowEntries is the newest mark of every lock in the window, by name.
func (c *LockTable) windowEntries() []dumpEntry {
	var all []dumpEntry
	collect := func(g *generation) {
		g.locks.each(func(value uint64) {
			last := g.offset(uint32(value>>32) - 1)
			all = append(all, dumpEntry{g.names.at(ref(value)), last, g.writerOf(last)})
		})
	}
	collect(&c.young)
	for i := len(c.frozen) - 1; i >= 0; i-- {
		collect(c.frozen[i])
	}
	// Stable: of one name the newest generation's comes first and stays.
	slices.SortStableFunc(all, func(a, b dumpEntry) int { return bytes.Compare(a.name, b.name) })
	return slices.CompactFunc(all, func(a, b dumpEntry) bool { return bytes.Equal(a.name, b.name) })
}

// eachLock calls f with every lock of the Part, in the order of names.
func (p *Part) eachLock(f func(name []byte, last protocol.Offset, by []byte)) error {
	if p == nil || !p.meta.hasLocks {
		return nil
	}
	start, end := p.locks()
	iter, err := p.base.db.NewIter(&pebble.IterOptions{LowerBound: start, UpperBound: end})
	if err != nil {
		return err
	}
	defer iter.Close()
	for valid := iter.First(); valid; valid = iter.Next() {
		if last, _, by, ok := readLock(iter.Value()); ok {
			f(iter.Key()[prefixBytes+1:], last, by)
		}
	}
	return iter.Error()
}

// Digest sums up the table: what Dump tells, the newest data record, and what open
// transactions hold. Two
// tables at the same offset of the same log have the same digest, whatever
// part of them is in memory.
func (c *LockTable) Digest() (sum [16]byte, err error) {
	h := sha256.New()
	var buf []byte
	add := func(name []byte, last protocol.Offset, by []byte) {
		buf = binary.AppendUvarint(buf[:0], uint64(len(name)))
		buf = append(buf, name...)
		buf = appendOffset(buf, last)
		buf = binary.AppendUvarint(buf, uint64(len(by)))
		h.Write(append(buf, by...))
	}
	add(nil, c.newest.offset, c.newest.by.text())
	for _, t := range c.holds.open {
		add(nil, protocol.Offset(t.producer), nil)
		add(nil, t.first, []byte(t.firstBy))
		add(nil, t.newest.offset, t.newest.by.text())
		for _, m := range t.marks {
			add(m.name, m.at, nil)
		}
		for _, m := range t.shared {
			add(m.name, m.at, nil)
		}
		for _, id := range t.ids {
			add(nil, id.entry.first, c.generationOf(id.entry.first).names.at(c.generationOf(id.entry.first).ids.at(id.place).id))
		}
	}
	err = c.Dump(add)
	copy(sum[:], h.Sum(nil))
	return sum, err
}
