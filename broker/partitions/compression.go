package partitions

import (
	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// lz4LevelKafka is the default of compression.lz4.level, which in Kafka stands
// for the fast compressor, while other levels stand for the high one.
const lz4LevelKafka = 9

// compressionOf is how a topic's batches are to be compressed, or nil: as they
// were sent.
func compressionOf(t settings.Topic) *record.Compression {
	c := record.Compression{}
	switch t.CompressionType {
	case "uncompressed":
	case "gzip":
		c = record.Compression{Codec: record.CodecGzip, Level: int(max(t.GzipLevel, 0))}
	case "snappy":
		c = record.Compression{Codec: record.CodecSnappy}
	case "lz4":
		c = record.Compression{Codec: record.CodecLz4, Level: int(t.LZ4Level)}
		if t.LZ4Level == lz4LevelKafka {
			c.Level = 0
		}
	case "zstd":
		c = record.Compression{Codec: record.CodecZstd, Level: int(t.ZstdLevel)}
	default:
		return nil
	}
	return &c
}

// WritesZstd reports whether the topic compresses by zstd, which readers know
// from Fetch v10 on (KIP-110).
func (t *Topic) WritesZstd() bool {
	return t.Compression != nil && t.Compression.Codec == record.CodecZstd
}

// Recompresses reports whether a batch with this codec is to be compressed
// anew. One that has the topic's codec stays as it is, whatever its level, as
// in Kafka.
func (t *Topic) Recompresses(sent record.Codec) bool {
	return t.Compression != nil && t.Compression.Codec != sent
}
