package fetching

import "encoding/binary"

// TagRound is the tagged field of a partition in a Fetch between brokers, in
// request and answer: an int64, the round of leadership (replica.Core.ConfirmLeadership).
const TagRound = 10101

// AppendRound appends the field's value.
func AppendRound(dst []byte, round int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(round))
}

// ParseRound reads a round; 0 is none.
func ParseRound(value []byte) int64 {
	if len(value) != 8 {
		return 0
	}
	return max(0, int64(binary.BigEndian.Uint64(value)))
}
