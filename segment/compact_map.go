package segment

import (
	"fmt"
	"hash/maphash"

	"github.com/lockstep-log/lockstep/protocol"
)

// offsetMap holds the newest offset of each key, and of each lock's mark, that
// a pass has seen: in 16 bytes an entry, and in memory of a fixed size outside
// of the collector's, which would otherwise keep as much again for garbage.
//
//	+--------------------+------------------+--------+------------------+
//	| 64 bits of hash    | 24 bits of hash  | held 1 | 1 + delta   39   |
//	+--------------------+------------------+--------+------------------+
//
// Keys are known by 120 bits of hash under seeds that the process chose at
// random: 88 are compared, 32 decide where the entry is looked for. Of ten
// million keys any two are mistaken for each other with probability 2^-60,
// and nobody outside can look for two that are.
//
// Open addressing with linear steps; nothing is ever taken out.
type offsetMap struct {
	slots []slot
	n     int
	full  int             // so many entries fit
	base  protocol.Offset // delta is counted from here
	free  func()
}

type slot struct{ hash, rest uint64 }

const (
	slotBytes = 16
	deltaBits = 39
	deltaMask = 1<<deltaBits - 1
	heldBit   = 1 << deltaBits
	hashMask  = ^uint64(heldBit | deltaMask)

	// Beyond this share of slots in use, steps become many.
	loadPercent = 85
)

// keyHash is a name's place and what is compared.
type keyHash struct {
	place      uint32
	hash, rest uint64
}

var (
	keySeeds  = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	lockSeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
)

func hashKey(key []byte) keyHash   { return hashUnder(&keySeeds, key) }
func hashLock(name []byte) keyHash { return hashUnder(&lockSeeds, name) }

func hashUnder(seeds *[2]maphash.Seed, b []byte) keyHash {
	hash, rest := maphash.Bytes(seeds[0], b), maphash.Bytes(seeds[1], b)
	return keyHash{place: uint32(rest), hash: hash, rest: rest & hashMask}
}

// newOffsetMap has room for up to so many entries in at most so many bytes.
// Offsets are put from dirty on; a little of what is before may be put as well.
func newOffsetMap(entries, bytesMax int64, dirty protocol.Offset) (*offsetMap, error) {
	n := bytesMax / slotBytes
	if entries < n {
		n = min(n, entries*100/loadPercent+16)
	}
	slots, free, err := allocateSlots(n)
	if err != nil {
		return nil, fmt.Errorf("map of %d keys: %w", n, err)
	}
	return &offsetMap{
		slots: slots, full: int(n * loadPercent / 100), free: free,
		base: max(0, dirty-deltaMask/2),
	}, nil
}

func (m *offsetMap) release() {
	if m.free != nil {
		m.free()
	}
	m.slots, m.free = nil, nil
}

// find is the place of an entry, or of the free slot where it would be.
func (m *offsetMap) find(h keyHash) (at int, last protocol.Offset, found bool) {
	at = int(uint64(h.place) * uint64(len(m.slots)) >> 32)
	for {
		s := &m.slots[at]
		if s.rest == 0 {
			return at, 0, false
		}
		if s.hash == h.hash && s.rest&hashMask == h.rest {
			return at, m.base + protocol.Offset(s.rest&deltaMask) - 1, true
		}
		if at++; at == len(m.slots) {
			at = 0
		}
	}
}

// put notes that the name was written at o, above all that was put before. It
// reports false if there is no room for it.
func (m *offsetMap) put(h keyHash, o protocol.Offset) bool {
	delta := o - m.base + 1
	if delta < 1 || delta > deltaMask {
		return false
	}
	at, _, found := m.find(h)
	switch {
	case !found && m.n >= m.full:
		return false
	case !found:
		m.n++
	}
	m.slots[at] = slot{h.hash, h.rest | uint64(delta)}
	return true
}

// pin notes that an older record of the key stays in the log.
func (m *offsetMap) pin(at int) { m.slots[at].rest |= heldBit }

func (m *offsetMap) pinned(at int) bool { return m.slots[at].rest&heldBit != 0 }
