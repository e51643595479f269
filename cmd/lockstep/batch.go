package main

import (
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	batchCRCAt    = 17 // of the CRC, which covers all that comes after it
	batchLengthAt = 8  // of the length, which counts all that comes after it
)

// encodeBatch is one record as a batch of its own, so that nobody else's
// record shares its verdict.
func encodeBatch(r *kgo.Record) []byte {
	millis := r.Timestamp.UnixMilli()
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1,
		Magic:                2,
		FirstTimestamp:       millis,
		MaxTimestamp:         millis,
		ProducerID:           -1,
		ProducerEpoch:        -1,
		FirstSequence:        -1,
		NumRecords:           1,
		Records:              encodeRecord(r),
	}
	raw := b.AppendTo(nil)
	putInt32(raw[batchLengthAt:], int32(len(raw)-batchLengthAt-4))
	putInt32(raw[batchCRCAt:], int32(crc32.Checksum(raw[batchCRCAt+4:], castagnoli)))
	return raw
}

func encodeRecord(r *kgo.Record) []byte {
	rec := kmsg.Record{Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		rec.Headers = append(rec.Headers, kmsg.Header{Key: h.Key, Value: h.Value})
	}
	// The length counts what follows it, and a zero length is one byte.
	rec.Length = int32(len(rec.AppendTo(nil)) - 1)
	return rec.AppendTo(nil)
}

func putInt32(b []byte, v int32) {
	b[0], b[1], b[2], b[3] = byte(v>>24), byte(v>>16), byte(v>>8), byte(v)
}
