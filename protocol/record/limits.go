package record

// Limits bound what one batch may cost. The zero value is the default of each.
type Limits struct {
	// BatchBytesMax bounds a batch as it arrives, header included. Default
	// 1048588: Kafka's max.message.bytes, 1 MiB and the 12 bytes of overhead.
	BatchBytesMax int
	// DecompressedBytesMax bounds the records once opened. Default 64 MiB.
	DecompressedBytesMax int
	// RecordsMax bounds the count of records. Default 1048576.
	RecordsMax int
}

const (
	defaultBatchBytesMax        = 1<<20 + prefixSize
	defaultDecompressedBytesMax = 64 << 20
	defaultRecordsMax           = 1 << 20
)

func (l Limits) withDefaults() Limits {
	if l.BatchBytesMax <= 0 {
		l.BatchBytesMax = defaultBatchBytesMax
	}
	if l.DecompressedBytesMax <= 0 {
		l.DecompressedBytesMax = defaultDecompressedBytesMax
	}
	if l.RecordsMax <= 0 {
		l.RecordsMax = defaultRecordsMax
	}
	return l
}
