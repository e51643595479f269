package segment

import (
	"fmt"
	"math"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// onDisk is a log in the real file system.
func onDisk(b *testing.B, cfg Config) *Log {
	b.Helper()
	l, err := Open(vfs.Default, b.TempDir(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() }) // a benchmark may have closed it
	return l
}

// placed gives batch the next offset.
func placed(l *Log, batch record.Batch) record.Batch {
	batch.Place(l.w.state.end(), 0)
	return batch
}

// BenchmarkAppendSync is one durable append after the other, with zeros
// written ahead of them and without.
func BenchmarkAppendSync(b *testing.B) {
	for _, size := range []int{128, 4 << 10, 64 << 10, 1 << 20} {
		for _, filled := range []bool{true, false} {
			b.Run(fmt.Sprintf("%d/filled=%v", size, filled), func(b *testing.B) {
				l := onDisk(b, Config{})
				batch := records(b, 0, 1, size-80)
				if !filled {
					l.w.smallSyncs = math.MinInt / 2
				}
				b.SetBytes(int64(batch.Size()))
				for b.Loop() {
					must(b, l.Append(0, placed(l, batch)))
					must(b, l.Sync())
				}
			})
		}
	}
}

// BenchmarkAppend is the cost of appending without a sync, in groups.
func BenchmarkAppend(b *testing.B) {
	for _, group := range []int{1, 16} {
		for _, size := range []int{128, 16 << 10} {
			b.Run(fmt.Sprintf("%dx%d", group, size), func(b *testing.B) {
				l := onDisk(b, Config{RetentionBytes: protocol.LimitOf(1 << 28)})
				batches := make([]record.Batch, group)
				for i := range batches {
					batches[i] = records(b, 0, 1, size-80)
				}
				b.SetBytes(int64(group * batches[0].Size()))
				b.ReportAllocs()
				for b.Loop() {
					next := l.w.state.end()
					for _, batch := range batches {
						batch.Place(next, 0)
						next++
					}
					must(b, l.Append(0, batches...))
					if l.Size() > 1<<29 {
						must(b, l.SetStart(l.End()))
					}
				}
			})
		}
	}
}

// BenchmarkRead is a consumer that goes through the log, and one at its tail.
func BenchmarkRead(b *testing.B) {
	l := onDisk(b, Config{SegmentBytes: 64 << 20})
	one := records(b, 0, 100, 100)
	for l.Size() < 200<<20 {
		must(b, l.Append(0, placed(l, one)))
	}
	var buf []byte
	read := func(b *testing.B, from protocol.Offset, maxBytes int, copied bool) protocol.Offset {
		r, err := l.Read(from, l.End(), maxBytes, true)
		must(b, err)
		defer r.Close()
		if copied {
			buf, err = r.AppendTo(buf[:0])
			must(b, err)
		}
		return r.NextOffset()
	}
	b.Run("sequential 1 MiB, AppendTo", func(b *testing.B) {
		b.SetBytes(1 << 20)
		from := l.Start()
		for b.Loop() {
			if from = read(b, from, 1<<20, true); from >= l.End() {
				from = l.Start()
			}
		}
	})
	b.Run("sequential 1 MiB, find only", func(b *testing.B) {
		from := l.Start()
		for b.Loop() {
			if from = read(b, from, 1<<20, false); from >= l.End() {
				from = l.Start()
			}
		}
	})
	b.Run("tail, find only", func(b *testing.B) {
		must(b, l.Append(0, placed(l, one)))
		from := l.End() - 100
		for b.Loop() {
			read(b, from, 1<<20, false)
		}
	})
	b.Run("random offset, find only", func(b *testing.B) {
		n := int64(0)
		for b.Loop() {
			n = (n*6364136223846793005 + 1442695040888963407) & math.MaxInt64
			read(b, protocol.Offset(n)%l.End(), 1, false)
		}
	})
}

// BenchmarkRecover is Open after a crash, per byte behind the recovery point.
func BenchmarkRecover(b *testing.B) {
	l := onDisk(b, Config{})
	one := records(b, 0, 100, 100)
	for l.Size() < 30<<20 {
		must(b, l.Append(0, placed(l, one)))
	}
	b.SetBytes(l.Size())
	for b.Loop() {
		again, err := Open(vfs.Default, l.dir, Config{})
		must(b, err)
		if again.End() != l.End() {
			b.Fatal("not all of it")
		}
		// It wrote a manifest; put the recovery point back.
		l.w.recoveryPoint = 0
		again.w.state.active.size, again.w.state.active.next, again.w.state.active.entries = 0, 0, 0
		again.w.state.tail = nil
		must(b, again.writeManifest())
	}
}

// BenchmarkOpen is what a partition costs at start: a new one, one that was
// closed, and one whose process was killed.
func BenchmarkOpen(b *testing.B) {
	b.Run("new", func(b *testing.B) {
		dir, n := b.TempDir(), 0
		for b.Loop() {
			n++
			l, err := Open(vfs.Default, fmt.Sprintf("%s/%d", dir, n), Config{})
			must(b, err)
			must(b, l.Close())
		}
	})
	for _, clean := range []bool{true, false} {
		b.Run(fmt.Sprintf("clean=%v", clean), func(b *testing.B) {
			l := onDisk(b, Config{})
			must(b, l.Append(0, records(b, 0, 10, 1000)))
			must(b, l.Sync())
			if clean {
				must(b, l.Close())
			}
			for b.Loop() {
				again, err := Open(vfs.Default, l.dir, Config{})
				must(b, err)
				must(b, again.files.Close())
			}
		})
	}
}
