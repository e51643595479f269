package record

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/lockstep-log/lockstep/protocol"
)

// Goal: a log of several batches is walked from head to end, one that lost all
// its records and a control batch included.
func TestViewStepsThroughALog(t *testing.T) {
	var log []byte
	full := built(t, CodecZstd, someRecords(10)...)
	Batch{full}.Place(0, 1)
	log = append(log, full...)
	for i, keep := range []func(int32) bool{
		func(i int32) bool { return i == 3 || i == 5 },
		func(int32) bool { return false },
	} {
		kept, err := parsed(t, built(t, CodecGzip, someRecords(10)...)).Keep(keep, wide)
		if err != nil {
			t.Fatal(err)
		}
		kept.Place(protocol.Offset(10*(i+1)), 1)
		log = append(log, kept.Bytes()...)
	}
	marker, err := NewBuilder(CodecNone).Place(30, 2).Producer(9, 0, -1).Transactional().Control().
		Add(Record{Key: []byte{0, 0, 0, 1}, Value: []byte{0, 0, 0, 0, 0, 0}}).Build()
	if err != nil {
		t.Fatal(err)
	}
	log = append(log, marker...)

	type seen struct {
		base, next protocol.Offset
		count      int32
		control    bool
	}
	var got []seen
	for len(log) > 0 {
		peeked, ok := PeekSize(log)
		b, size, err := View(log)
		if err != nil || !ok || size != peeked || size != b.Size() {
			t.Fatalf("size %d, peeked %d %v: %v", size, peeked, ok, err)
		}
		opened(t, b)
		got = append(got, seen{b.BaseOffset(), b.NextOffset(), b.Count(), b.Control()})
		log = log[size:]
	}
	want := []seen{{0, 10, 10, false}, {10, 20, 2, false}, {20, 30, 0, false}, {30, 31, 1, true}}
	if len(got) != len(want) {
		t.Fatalf("saw %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("batch %d is %v, want %v", i, got[i], want[i])
		}
	}
}

// Goal: a torn tail is told from damage, however much of it is there.
func TestViewOfATornBatchIsTruncated(t *testing.T) {
	raw := built(t, CodecNone, someRecords(3)...)
	for n := range raw {
		_, size, err := View(raw[:n])
		wantKind(t, err, Truncated)
		if n >= prefixSize && size != len(raw) {
			t.Errorf("%d bytes: size %d", n, size)
		}
	}
}

// Goal: no flipped bit behind the leader epoch goes unseen, and none anywhere
// makes View panic. Method: each bit of a batch, with more bytes behind it.
func TestViewSeesEveryFlippedBit(t *testing.T) {
	raw := built(t, CodecSnappy, someRecords(5)...)
	log := append(bytes.Clone(raw), raw...)
	for bit := range len(raw) * 8 {
		log[bit/8] ^= 1 << (bit % 8)
		_, _, err := View(log)
		switch at := bit / 8; {
		case at >= atMagic || at >= atLength && at < atLeaderEpoch:
			if err == nil {
				t.Errorf("bit %d of byte %d", bit%8, at)
			}
		case bit == 7: // the offset's sign
			wantKind(t, err, Invalid)
		case err != nil:
			t.Errorf("bit %d of byte %d is outside the CRC: %v", bit%8, at, err)
		}
		log[bit/8] ^= 1 << (bit % 8)
	}
}

// Goal: a reader of a log can step behind a batch that it refuses.
func TestViewTellsTheSizeOfABatchItRefuses(t *testing.T) {
	raw := built(t, CodecNone, someRecords(3)...)
	raw[len(raw)-1] ^= 1
	_, size, err := View(raw)
	wantKind(t, err, Corrupt)
	if size != len(raw) {
		t.Errorf("size %d of %d", size, len(raw))
	}
}

// Goal: headers whose numbers disagree are refused though their CRC is right.
func TestViewRefusesHeadersThatContradictThemselves(t *testing.T) {
	for _, c := range []struct {
		name  string
		kind  Kind
		crack func([]byte) []byte
	}{
		{"a base offset below 0", Invalid, put64(atBaseOffset, -1)},
		{"offsets beyond the last there is", Invalid, put64(atBaseOffset, math.MaxInt64-1)},
		{"last offset delta -1", Invalid, put32(atLastOffsetDelta, -1)},
		{"more records than offsets", Invalid, put32(atCount, 4)},
		{"a negative count", Invalid, put32(atCount, -3)},
		{"no records but bytes of them", Invalid, put32(atCount, 0)},
		{"records but no bytes", Invalid, func(b []byte) []byte { return sealed(b[:HeaderSize]) }},
		{"codec 6", UnsupportedCodec, attr(6)},
		{"attribute bit 9", Invalid, attr(1 << 9)},
		{"magic 1", UnsupportedFormat, func(b []byte) []byte { b[atMagic] = 1; return b }},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := View(c.crack(built(t, CodecNone, someRecords(3)...)))
			wantKind(t, err, c.kind)
		})
	}
}

// Goal: placing needs no new checksum, stamping makes one.
func TestPlaceAndStampLeaveAValidBatch(t *testing.T) {
	b := parsed(t, built(t, CodecLz4, someRecords(3)...))
	crc := b.CRC()
	b.Place(1<<40, 77)
	if b.CRC() != crc {
		t.Error("placing changed the CRC")
	}
	b.StampLogAppendTime(1_800_000_000_000)
	again, _, err := View(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if again.BaseOffset() != 1<<40 || again.LastOffset() != 1<<40+2 || again.LeaderEpoch() != 77 ||
		!again.LogAppendTime() || again.MaxTimestamp() != 1_800_000_000_000 || again.Codec() != CodecLz4 {
		t.Errorf("header is %+v", again.header())
	}
}

// Goal: MentionsLocks is never false where there is a lock header.
func TestMentionsLocks(t *testing.T) {
	plain := Record{Key: []byte("lock"), Value: []byte("locked")}
	locked := Record{Headers: []Header{{"lock-read", []byte("a")}}}
	for codec := range codecMax + 1 {
		if got := parsed(t, built(t, codec, plain, locked)).MentionsLocks(); !got {
			t.Errorf("%s: lock-read not seen", codec)
		}
		if got := parsed(t, built(t, codec, plain)).MentionsLocks(); got != (codec != CodecNone) {
			t.Errorf("%s: %v for a plain batch", codec, got)
		}
	}
}

// Goal: errors can be told apart through wrapping and say what and how much.
func TestErrorsSayKindAndReason(t *testing.T) {
	_, err := Parse(make([]byte, 100), Limits{})
	wantKind(t, errors.Join(err), UnsupportedFormat)
	if !strings.Contains(err.Error(), "unsupported format batch: magic 0") {
		t.Error(err)
	}
	if KindOf(errors.New("other")) != 0 || KindOf(nil) != 0 {
		t.Error("foreign errors have a kind")
	}
}
