package conflict

// arena keeps names and lock-ids, each with a length byte in front, in chunks
// of one size. A ref names one of them in 32 bits and is good until release.
type arena struct {
	first  []byte   // the first chunk, grown on demand: most partitions need no other
	chunks []*chunk // the chunks after it
	used   int      // bytes used of the last of them
}

const (
	chunkBytes = 64 << 10
	firstMin   = 128
)

type chunk [chunkBytes]byte

// ref is chunk<<16 | place within the chunk.
type ref uint32

// arenaChunksMax is how much refs can reach: 4 GiB.
const arenaChunksMax = 1 << 16

// add keeps a copy of b, which has at most 255 bytes.
func (a *arena) add(b []byte, budget *Budget) ref {
	need := 1 + len(b)
	if len(a.chunks) == 0 && len(a.first)+need <= chunkBytes {
		return a.addFirst(b, budget)
	}
	if len(a.chunks) == 0 || a.used+need > chunkBytes {
		a.chunks, a.used = append(a.chunks, budget.chunk()), 0
	}
	at := a.used
	room := a.chunks[len(a.chunks)-1][at : at+need]
	room[0] = byte(len(b))
	copy(room[1:], b)
	a.used += need
	return ref(len(a.chunks)<<16 | at)
}

func (a *arena) addFirst(b []byte, budget *Budget) ref {
	at, before := len(a.first), cap(a.first)
	if at+1+len(b) > before {
		grown := make([]byte, at, min(chunkBytes, max(firstMin, 2*(at+1+len(b)))))
		copy(grown, a.first)
		a.first = grown
	}
	a.first = append(append(a.first, byte(len(b))), b...)
	budget.used.Add(int64(cap(a.first) - before))
	return ref(at)
}

// at returns the bytes that r names; not a copy.
func (a *arena) at(r ref) []byte {
	from := a.first
	if n := int(r >> 16); n > 0 {
		from = a.chunks[n-1][:]
	}
	i := int(r & 0xffff)
	return from[i+1 : i+1+int(from[i])]
}

func (a *arena) bytes() int64 { return int64(cap(a.first)) + int64(len(a.chunks))*chunkBytes }

// release gives all memory back and empties the arena.
func (a *arena) release(b *Budget) {
	b.used.Add(-int64(cap(a.first)))
	for _, c := range a.chunks {
		b.putChunk(c)
	}
	*a = arena{}
}
