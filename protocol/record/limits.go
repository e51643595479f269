package record

import "github.com/lockstep-log/lockstep/protocol"

// Limits bound what one batch may cost.
type Limits struct {
	// BatchBytesMax is max.message.bytes: it bounds a batch as it arrives, header
	// included. Default: what it came in, a frame, is bound enough.
	BatchBytesMax protocol.Limit
	// DecompressedBytesMax bounds the records once opened. Default 64 MiB.
	DecompressedBytesMax int
	// RecordsMax bounds the count of records. Default 1048576.
	RecordsMax int
}

const (
	defaultDecompressedBytesMax = 64 << 20
	defaultRecordsMax           = 1 << 20
)

func (l Limits) withDefaults() Limits {
	if l.DecompressedBytesMax <= 0 {
		l.DecompressedBytesMax = defaultDecompressedBytesMax
	}
	if l.RecordsMax <= 0 {
		l.RecordsMax = defaultRecordsMax
	}
	return l
}
