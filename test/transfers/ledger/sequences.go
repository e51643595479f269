package ledger

// sequences is a set of a writer's sequence numbers, a bit each: nearly all of
// them come.
type sequences struct{ bits []uint64 }

// add reports whether a number was not in the set.
func (s *sequences) add(n uint32) bool {
	word, bit := int(n/64), uint64(1)<<(n%64)
	if missing := word + 1 - len(s.bits); missing > 0 {
		s.bits = append(s.bits, make([]uint64, missing)...)
	}
	fresh := s.bits[word]&bit == 0
	s.bits[word] |= bit
	return fresh
}
