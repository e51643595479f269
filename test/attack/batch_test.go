package attack

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol/record"
)

const (
	codeOffsetOutOfRange  = 1
	codeCorruptMessage    = 2
	codeMessageTooLarge   = 10
	codeInvalidTimestamp  = 32
	codeUnsupportedFormat = 43
	codeOutOfOrder        = 45
	codePolicyViolation   = 44
	codeInvalidTxnState   = 48
	codeTransactionalID   = 53
	codeInvalidRecord     = 87
	codeUnsupportedCodec  = 76
)

// Each lie is one change to a good batch. sealed lies carry a good checksum, so
// that it is the lie that is found and not the damage.
func TestABatchThatLiesIsRefusedAndLeavesNoTrace(t *testing.T) {
	v := attacked(t)
	b := v.bystand()
	v.topic("lies")
	s := v.dial()
	for name, c := range map[string]struct {
		code int16
		lie  func(b []byte) []byte
	}{
		"wrong CRC":            {codeCorruptMessage, func(b []byte) []byte { b[atCRC]++; return b }},
		"a changed byte":       {codeCorruptMessage, func(b []byte) []byte { b[len(b)-1]++; return b }},
		"magic 0":              {codeUnsupportedFormat, func(b []byte) []byte { b[atMagic] = 0; return b }},
		"magic 1":              {codeUnsupportedFormat, func(b []byte) []byte { b[atMagic] = 1; return b }},
		"magic 3":              {codeCorruptMessage, func(b []byte) []byte { b[atMagic] = 3; return b }},
		"no bytes":             {codeCorruptMessage, func(b []byte) []byte { return b[:0] }},
		"cut":                  {codeCorruptMessage, func(b []byte) []byte { return b[:len(b)-1] }},
		"cut in the header":    {codeCorruptMessage, func(b []byte) []byte { return b[:30] }},
		"length -1":            {codeCorruptMessage, func(b []byte) []byte { put32(b, atLength, -1); return b }},
		"length 2^31-1":        {codeCorruptMessage, func(b []byte) []byte { put32(b, atLength, 1<<31-1); return b }},
		"two batches":          {codeInvalidRecord, func(b []byte) []byte { return append(b, b...) }},
		"forged base offset":   {codeInvalidRecord, func(b []byte) []byte { put64(b, atBaseOffset, 1<<40); return b }},
		"negative base offset": {codeInvalidRecord, func(b []byte) []byte { put64(b, atBaseOffset, -1<<63); return b }},
		"last delta 2":         {codeInvalidRecord, func(b []byte) []byte { put32(b, atLastOffsetDelta, 2); return sealed(b) }},
		"last delta 0":         {codeInvalidRecord, func(b []byte) []byte { put32(b, atLastOffsetDelta, 0); return sealed(b) }},
		"last delta -1":        {codeInvalidRecord, func(b []byte) []byte { put32(b, atLastOffsetDelta, -1); return sealed(b) }},
		"count 3":              {codeInvalidRecord, func(b []byte) []byte { put32(b, atCount, 3); return sealed(b) }},
		"count 0":              {codeInvalidRecord, func(b []byte) []byte { put32(b, atCount, 0); return sealed(b) }},
		"count -1":             {codeInvalidRecord, func(b []byte) []byte { put32(b, atCount, -1); return sealed(b) }},
		"count and delta of more": {codeInvalidRecord, func(b []byte) []byte {
			put32(b, atCount, 3)
			put32(b, atLastOffsetDelta, 2)
			return sealed(b)
		}},
		"control":               {codeInvalidRecord, func(b []byte) []byte { put16(b, atAttributes, 0x20); return sealed(b) }},
		"log append time":       {codeInvalidTimestamp, func(b []byte) []byte { put16(b, atAttributes, 0x08); return sealed(b) }},
		"unknown attributes":    {codeInvalidRecord, func(b []byte) []byte { put16(b, atAttributes, -0x8000); return sealed(b) }},
		"codec 7":               {codeUnsupportedCodec, func(b []byte) []byte { put16(b, atAttributes, 7); return sealed(b) }},
		"transactional, no pid": {codeInvalidTxnState, func(b []byte) []byte { put16(b, atAttributes, 0x10); return sealed(b) }},
		"transactional, no id": {codeTransactionalID, func(b []byte) []byte {
			put16(b, atAttributes, 0x10)
			return sealed(produced(b, 1000, 0, 0))
		}},
		"producer id -2":       {codeInvalidRecord, func(b []byte) []byte { return sealed(produced(b, -2, 0, 0)) }},
		"producer epoch -1":    {codeInvalidRecord, func(b []byte) []byte { return sealed(produced(b, 1, -1, 0)) }},
		"base sequence -1":     {codeInvalidRecord, func(b []byte) []byte { return sealed(produced(b, 1, 0, -1)) }},
		"a time near 2^63":     {codeInvalidTimestamp, func(b []byte) []byte { put64(b, atFirstTimestamp, 1<<63-1); return sealed(b) }},
		"the year 9999":        {codeInvalidTimestamp, func(b []byte) []byte { put64(b, atFirstTimestamp, 253370764800000); return sealed(b) }},
		"a record length lies": {codeInvalidRecord, func(b []byte) []byte { b[atRecords] = 0x7e; return sealed(b) }},
		"a record of -1 bytes": {codeInvalidRecord, func(b []byte) []byte { b[atRecords] = 1; return sealed(b) }},
		"bytes behind":         {codeInvalidRecord, func(b []byte) []byte { return sealed(append(b, 0)) }},
		"a length without an end": {codeInvalidRecord, func(b []byte) []byte {
			return sealed(append(b[:atRecords], bytes.Repeat([]byte{0xff}, 11)...))
		}},
		"a header more than there is": {codeInvalidRecord, func(b []byte) []byte {
			return sealed(one(b, withHeaderCount(1)))
		}},
		"-1 headers": {codeInvalidRecord, func(b []byte) []byte { return sealed(one(b, withHeaderCount(-1))) }},
	} {
		t.Run(name, func(t *testing.T) {
			good := batchOf(t, record.Record{Timestamp: time.Now().UnixMilli(), Key: []byte("k"), Value: []byte("v")},
				record.Record{Timestamp: time.Now().UnixMilli(), Value: []byte("w")})
			if p := s.produce("lies", c.lie(good)); p.ErrorCode != c.code || p.BaseOffset != -1 {
				t.Errorf("code %d, base offset %d, want code %d", p.ErrorCode, p.BaseOffset, c.code)
			}
		})
	}
	if p := s.produce("lies", batchOf(t, record.Record{Value: []byte("true")})); p.ErrorCode != 0 || p.BaseOffset != 0 {
		t.Errorf("after them: code %d, offset %d", p.ErrorCode, p.BaseOffset)
	}
	b.stillServed()
}

// produced makes the batch a producer's.
func produced(b []byte, id int64, epoch int16, sequence int32) []byte {
	put64(b, atProducerID, id)
	put16(b, atProducerEpoch, epoch)
	put32(b, atBaseSequence, sequence)
	return b
}

// one is the batch with rec as its only record.
func one(b, rec []byte) []byte {
	put32(b, atCount, 1)
	put32(b, atLastOffsetDelta, 0)
	b = binary.AppendVarint(b[:atRecords], int64(len(rec)))
	return append(b, rec...)
}

// withHeaderCount is a record without key, value and headers that says it has n headers.
func withHeaderCount(n int64) []byte {
	rec := []byte{0, 0, 0, 1, 1}
	return binary.AppendVarint(rec, n)
}

// The offset that a fetch returns is the log's, whatever the client wrote where
// the broker writes.
func TestALeaderEpochOfTheClientsIsOverwritten(t *testing.T) {
	v := attacked(t)
	v.topic("epoch")
	s := v.dial()
	b := batchOf(t, record.Record{Value: []byte("v")})
	put32(b, 12, 1<<30)
	if p := s.produce("epoch", b); p.ErrorCode != 0 {
		t.Fatalf("code %d", p.ErrorCode)
	}
	got := ask[*kmsg.FetchResponse](s, fetchRequest(partitionOf("epoch", 0)), 12).Topics[0].Partitions[0].RecordBatches
	if epoch := int32(binary.BigEndian.Uint32(got[12:])); epoch == 1<<30 {
		t.Errorf("leader epoch %d", epoch)
	}
}

func TestASequenceMayWrapAndNothingElse(t *testing.T) {
	v := attacked(t)
	v.topic("wrap")
	s := v.dial()
	two := func(id int64, sequence int32) []byte {
		return sealed(produced(batchOf(t, record.Record{Value: []byte("a")}, record.Record{Value: []byte("b")}), id, 0, sequence))
	}
	for i, c := range []struct {
		id       int64
		sequence int32
		codes    []int16
	}{
		{5000, 1<<31 - 2, []int16{0}},
		{5001, 0, []int16{0}},
		{5001, 1<<31 - 1, []int16{codeOutOfOrder}},
		{5001, 3, []int16{codeOutOfOrder}},
		{5001, 2, []int16{0}},
	} {
		p := s.produce("wrap", two(c.id, c.sequence))
		found := false
		for _, code := range c.codes {
			found = found || code == p.ErrorCode
		}
		if !found {
			t.Errorf("step %d: code %d, want one of %v", i, p.ErrorCode, c.codes)
		}
		if i == 0 && p.ErrorCode == 0 {
			if p := s.produce("wrap", two(c.id, 0)); p.ErrorCode != 0 {
				t.Errorf("the sequence does not wrap: code %d", p.ErrorCode)
			}
		}
	}
}

func TestARecordOverTheTopicsLimitIsTooLarge(t *testing.T) {
	v := attacked(t)
	b := v.bystand()
	v.topic("large")
	s := v.dial()
	if p := s.produce("large", batchOf(t, record.Record{Value: make([]byte, 20<<20)})); p.ErrorCode != codeMessageTooLarge {
		t.Errorf("code %d", p.ErrorCode)
	}
	s.alive()
	b.stillServed()
}
