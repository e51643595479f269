package conflict

import "hash/maphash"

// hash is 128 bits of a lock's name or a lock-id, keyed by seeds that live as
// long as the process and never leave it. Nobody outside can look for a
// collision, and by chance a trillion names collide with probability 2^-49.
// It decides where an entry lies, never an outcome, so it differs from run to
// run without a trace in any result.
type hash struct{ hi, lo uint64 }

var seedHi, seedLo = maphash.MakeSeed(), maphash.MakeSeed()

func hashOf(b []byte) hash {
	return hash{maphash.Bytes(seedHi, b), maphash.Bytes(seedLo, b)}
}
