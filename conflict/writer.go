package conflict

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// writer brings a partition's Base from one generation's start to its end. It
// reads the generation, which is frozen, and may run on any goroutine; the
// owner sees to it that there is one at a time.
type writer struct {
	part    *Part
	g       *generation
	meta    meta // as it will be
	nowMs   int64
	options Options
	partial bool // the generation is to be written again, when all of it is decided
}

func (p *Part) writer(g *generation, nowMs int64, o Options) *writer {
	w := &writer{part: p, g: g, meta: p.meta, nowMs: nowMs, options: o}
	w.meta.applied, w.meta.newest = g.end, g.asOfEnd
	w.meta.hasLocks = w.meta.hasLocks || g.locks.n > 0
	w.meta.hasIDs = w.meta.hasIDs || g.ids.n > 0
	w.meta.history = p.historyStart()
	return w
}

func (w *writer) writeGeneration() error {
	if err := w.write(); err != nil {
		return err
	}
	return w.sweep()
}

func (w *writer) write() error {
	write := w.batch
	if w.g.locks.n+w.g.ids.n >= w.part.base.ingestMin {
		write = w.ingest
	}
	if err := write(); err != nil {
		return fmt.Errorf("write lock base up to offset %d: %w", w.meta.applied, err)
	}
	return nil
}

// From so many entries on, a table of our own that Pebble takes in whole costs
// less than a fifth of putting them one by one.
const ingestEntriesMin = 1000

// batch puts the entries as one batch.
func (w *writer) batch() error {
	batch := w.part.base.db.NewBatch()
	defer batch.Close()
	err := w.entries(func(key, value []byte) error { return batch.Set(key, value, nil) })
	if err != nil {
		return err
	}
	return batch.Commit(pebble.NoSync)
}

// ingest makes a sorted table of the entries and gives it to Pebble.
func (w *writer) ingest() error {
	b := w.part.base
	path := b.fs.PathJoin(b.dir, fmt.Sprintf("%d.sst", b.next.Add(1)))
	defer b.fs.Remove(path) // Pebble links it, or failed
	file, err := b.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	table := sstable.NewWriter(objstorageprovider.NewFileWritable(file), b.table)
	if err := w.entries(table.Set); err != nil {
		table.Close()
		return err
	}
	if err := table.Close(); err != nil { // syncs
		return err
	}
	return b.db.Ingest(context.Background(), []string{path})
}

// entries calls put with the meta, the ids and the locks: in the order of keys.
func (w *writer) entries(put func(key, value []byte) error) error {
	var key [keyBytesMax]byte
	var value [valueBytesMax]byte
	if err := put(w.part.at.appendKey(key[:0], kindMeta, nil), w.meta.append(value[:0])); err != nil {
		return err
	}
	g := w.g
	for ids := g.sortedIDs(); len(ids) > 0; {
		same := 1
		for same < len(ids) && g.sameName(ids[0], ids[same]) {
			same++
		}
		e := g.idOf(ids[:same])
		name, entry := g.names.at(e.name), g.idEntry(int(e.value))
		ids = ids[same:]
		if known, err := w.knows(name, &entry); err != nil {
			return err
		} else if known {
			continue
		}
		if err := put(w.part.at.appendKey(key[:0], kindID, name), appendID(value[:0], entry, w.nowMs)); err != nil {
			return err
		}
	}
	for _, e := range g.sortedLocks() {
		last := g.offset(e.value)
		k := w.part.at.appendKey(key[:0], kindLock, g.names.at(e.name))
		if err := put(k, appendLock(value[:0], last, w.nowMs, g.writerOf(last))); err != nil {
			return err
		}
	}
	return nil
}

// idOf is which of an id's appends, in the order of the log, it stands for: of
// those that were judged the newest, since it was used again after its retention,
// or else the first that was carried.
func (g *generation) idOf(same []entry) entry {
	for i := len(same) - 1; i > 0; i-- {
		if !g.ids.at(int(same[i].value)).carried {
			return same[i]
		}
	}
	return same[0]
}

// knows reports whether the Base has an earlier append of an id, which one that
// was carried does not replace.
func (w *writer) knows(id []byte, e *idEntry) (known bool, err error) {
	if e.carried {
		_, known, err = w.part.id(id)
	}
	return known, err
}

// entry is a name of a generation and what belongs to it, made for sorting.
type entry struct {
	head  uint64 // eight bytes of the name, behind what all names share: few comparisons look further
	name  ref
	value uint32 // of a lock its offset from the start, of an id its place
}

func (g *generation) sortedLocks() []entry {
	all := make([]entry, 0, g.locks.n)
	g.locks.each(func(value uint64) { all = append(all, entry{name: ref(value), value: uint32(value>>32) - 1}) })
	g.sort(all)
	return all
}

func (g *generation) sortedIDs() []entry {
	all := make([]entry, 0, g.ids.n)
	for i := range g.ids.n {
		if m := g.ids.at(i); !m.undecided {
			all = append(all, entry{name: m.id, value: uint32(i)})
		}
	}
	g.sort(all)
	return all
}

// sort orders entries by name, then by value.
func (g *generation) sort(all []entry) {
	shared := g.sharedBytes(all)
	for i := range all {
		var head [8]byte
		copy(head[:], g.names.at(all[i].name)[shared:])
		all[i].head = binary.BigEndian.Uint64(head[:])
	}
	slices.SortFunc(all, func(a, b entry) int {
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		if c := bytes.Compare(g.names.at(a.name), g.names.at(b.name)); c != 0 {
			return c
		}
		return cmp.Compare(a.value, b.value)
	})
}

// sharedBytes is the length of the prefix that all names have.
func (g *generation) sharedBytes(all []entry) int {
	if len(all) == 0 {
		return 0
	}
	shared := g.names.at(all[0].name)
	for _, e := range all {
		name := g.names.at(e.name)
		n := 0
		for n < min(len(shared), len(name)) && shared[n] == name[n] {
			n++
		}
		shared = shared[:n]
	}
	return len(shared)
}

func (g *generation) sameName(a, b entry) bool {
	return a.head == b.head && bytes.Equal(g.names.at(a.name), g.names.at(b.name))
}
