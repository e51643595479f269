package conflict

import "github.com/lockstep-log/lockstep/protocol"

// generation is what was marked in one range of offsets. The young one of a
// partition is written by its owner; once frozen it never changes, so that
// another goroutine may write it to the Base while the owner goes on reading.
//
// Invariants: every mark lies in [start, end]; within a generation a lock has
// its newest mark only; ids are in the order of offsets.
type generation struct {
	start, end protocol.Offset // end is start-1 while nothing was folded
	logBytes   int64           // batch bytes folded: what a restart would read again

	locks   table // value: (offset-start+1)<<32 | ref of the name
	ids     idList
	idIndex table // value: place in ids + 1
	names   arena

	asOfEnd newest // set when it is frozen
	flushed bool   // the Base has it; set by the owner
}

// newest is the newest data record of a partition: last(*), and who wrote it.
type newest struct {
	offset protocol.Offset // protocol.None: there was none since the history start
	by     idText
}

// idText is a lock-id by value; empty for none.
type idText struct {
	n     uint8
	bytes [protocol.LockIDBytesMax]byte
}

func (t *idText) set(id []byte) { t.n = uint8(copy(t.bytes[:], id)) }

func (t *idText) text() []byte { return t.bytes[:t.n] }

// Offsets of a generation and places in its arena have 32 bits. To freeze at
// half of that leaves room for any batch.
const (
	generationOffsetsMax = 1 << 31
	generationChunksMax  = arenaChunksMax / 2
)

// overflows reports whether the next batch might be too much for 32 bits.
func (g *generation) overflows() bool {
	return g.end-g.start >= generationOffsetsMax || len(g.names.chunks) >= generationChunksMax
}

func (g *generation) empty() bool { return g.end < g.start }

func (g *generation) bytes() int64 {
	return g.locks.bytes() + g.idIndex.bytes() + g.ids.bytes() + g.names.bytes()
}

// mark sets last of a lock. Offsets of one generation never fall.
func (g *generation) mark(h hash, name []byte, o protocol.Offset, b *Budget) {
	s := g.locks.put(h, b)
	if s.value == 0 {
		s.value = uint64(g.names.add(name, b))
	}
	s.value = g.valueAt(o, s.value)
}

// valueAt is a lock's value with its mark moved to an offset.
func (g *generation) valueAt(o protocol.Offset, value uint64) uint64 {
	return uint64(o-g.start+1)<<32 | value&(1<<32-1)
}

// last returns the newest mark of a lock in this generation, or None.
func (g *generation) last(h hash) protocol.Offset {
	v := g.locks.get(h)
	if v == 0 {
		return protocol.None
	}
	return g.start + protocol.Offset(v>>32) - 1
}

// remember notes an append with a lock-id. One that was judged is the id's from
// then on: the table had forgotten it. One that was carried is so only if there
// is none before it.
func (g *generation) remember(
	h hash, id []byte, first protocol.Offset, count uint32, d digest, carried bool, b *Budget,
) {
	g.indexID(h, g.note(id, idEntry{first, count, d, carried}, false, b), carried, b)
}

// note gives an append with a lock-id its place in the order of the log.
func (g *generation) note(id []byte, e idEntry, undecided bool, b *Budget) (place int) {
	return g.ids.add(idMark{
		digest: e.digest, first: uint32(e.first - g.start), count: e.count, id: g.names.add(id, b),
		carried: e.carried, undecided: undecided,
	}, b)
}

func (g *generation) indexID(h hash, place int, carried bool, b *Budget) {
	if s := g.idIndex.put(h, b); s.value == 0 || !carried {
		s.value = uint64(place) + 1
	}
}

// decideID makes a lock-id count from its transaction's commit on. One of a
// transaction that was aborted stays undecided.
func (g *generation) decideID(h hash, place int, b *Budget) {
	m := g.ids.at(place)
	m.undecided = false
	g.indexID(h, place, m.carried, b)
}

// appended finds what was appended in this generation under a lock-id.
func (g *generation) appended(h hash) (entry idEntry, ok bool) {
	v := g.idIndex.get(h)
	if v == 0 {
		return idEntry{}, false
	}
	return g.idEntry(int(v - 1)), true
}

func (g *generation) idEntry(place int) idEntry {
	m := g.ids.at(place)
	return idEntry{first: g.offset(m.first), count: m.count, digest: m.digest, carried: m.carried}
}

// writerOf is the lock-id of the append that holds an offset; nil for none.
func (g *generation) writerOf(o protocol.Offset) []byte {
	if m := g.ids.writerOf(uint32(o - g.start)); m != nil {
		return g.names.at(m.id)
	}
	return nil
}

func (g *generation) release(b *Budget) {
	g.locks.release(b)
	g.idIndex.release(b)
	g.ids.release(b)
	g.names.release(b)
}

// idEntry is what is known of an append with a lock-id.
type idEntry struct {
	first   protocol.Offset
	count   uint32
	digest  digest
	carried bool // see idMark; what the Base has is what the id stands for
}

// last is the offset of the append's last record.
func (e idEntry) last() protocol.Offset { return e.first + protocol.Offset(e.count) - 1 }

// offset is the offset at a distance from the generation's start.
func (g *generation) offset(delta uint32) protocol.Offset { return g.start + protocol.Offset(delta) }
