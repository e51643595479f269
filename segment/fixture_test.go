package segment

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// everything is a bound that bounds nothing.
const everything = protocol.Offset(math.MaxInt64)

// batchSpec is a batch to be made.
type batchSpec struct {
	base  protocol.Offset
	epoch protocol.LeaderEpoch
	times []int64 // one a record
	value []byte  // of every record
}

// batch makes it; it fails the test if it cannot.
func batch(t testing.TB, s batchSpec) record.Batch {
	t.Helper()
	b := record.NewBuilder(record.CodecNone).Place(s.base, s.epoch)
	for i, at := range s.times {
		b.Add(record.Record{Timestamp: at, Key: fmt.Appendf(nil, "k%d", int64(s.base)+int64(i)), Value: s.value})
	}
	raw, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	view, _, err := record.View(raw)
	if err != nil {
		t.Fatal(err)
	}
	return view
}

// records is a batch of n records of which each has a value of size bytes that
// holds no zeros and says where it belongs.
func records(t testing.TB, base protocol.Offset, n, size int) record.Batch {
	t.Helper()
	times := make([]int64, n)
	for i := range times {
		times[i] = 1_700_000_000_000 + int64(base) + int64(i)
	}
	value := bytes.Repeat(fmt.Appendf(nil, "<%d>", base), size/3+1)[:size]
	return batch(t, batchSpec{base: base, times: times, value: value})
}

func open(t testing.TB, fs vfs.FS, cfg Config) *Log {
	t.Helper()
	l, err := Open(fs, "/log", cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// at is the segment with that base offset, as it was first written.
func at(base protocol.Offset) *segment { return &segment{base: base} }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// contents is all bytes from the log's start on, by way of Read and AppendTo.
func contents(l *Log) ([]byte, error) {
	var out []byte
	for from := l.Start(); from < l.End(); {
		r, err := l.Read(from, everything, 1<<16, true)
		if err != nil {
			return out, err
		}
		if r.Len() == 0 {
			return out, fmt.Errorf("nothing at offset %d, the log goes to %d", from, l.End())
		}
		out, err = r.AppendTo(out)
		r.Close()
		if err != nil {
			return out, err
		}
		from = r.NextOffset()
	}
	return out, nil
}
