package protocol

// TagGrowth is a tagged field of one topic in the request of CreatePartitions,
// version 2 and above: one byte, a Growth. Kafka's own tags are small numbers.
const TagGrowth = 10102

// Growth says what more is meant than "add partitions".
type Growth byte

const (
	// GrowthForced: add them, though the topic holds locks.
	GrowthForced Growth = 1
	// GrowthAsked is what one broker asks another, with ValidateOnly: whether the
	// partitions that are there hold locks.
	GrowthAsked Growth = 2
)

// GrowthOf reads the value of the tag; 0 for one that is not known.
func GrowthOf(value []byte) Growth {
	if len(value) == 1 && (value[0] == byte(GrowthForced) || value[0] == byte(GrowthAsked)) {
		return Growth(value[0])
	}
	return 0
}
