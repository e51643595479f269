package record

import (
	"bytes"
	"fmt"
	"syscall"
	"testing"
)

// Goal: a batch in another compression is the same batch: all of its header but
// codec, length and CRC, and every record to the byte.
func TestRecompressChangesNothingButTheCodec(t *testing.T) {
	for _, from := range codecs {
		for _, to := range codecs {
			for _, level := range []int{0, 1, 5, 9, 17, 22, -5} {
				t.Run(fmt.Sprint(from, " to ", to, " ", level), func(t *testing.T) {
					builder := NewBuilder(from).Producer(7, 2, 40)
					for _, r := range someRecords(40) {
						builder.Add(r)
					}
					raw, err := builder.Build()
					if err != nil {
						t.Fatal(err)
					}
					b := parsed(t, raw)
					records := opened(t, b)
					defer records.Release()
					made, err := b.Recompress(records, Compression{to, level}, 1<<20)
					if err != nil {
						t.Fatal(err)
					}
					got := parsed(t, made.Bytes())
					want := b.header()
					want.attributes = want.attributes&^attrCodec | Attributes(to)
					if got.header() != want {
						t.Errorf("header %+v, want %+v", got.header(), want)
					}
					again := opened(t, got)
					defer again.Release()
					if !bytes.Equal(again.payload, records.payload) {
						t.Error("the records are others")
					}
				})
			}
		}
	}
}

// Goal: a level is no decoration: who asks for more gets smaller batches.
func TestRecompressTriesAsHardAsItsLevelSays(t *testing.T) {
	records := make([]Record, 2000)
	for i := range records {
		records[i] = Record{Timestamp: int64(i), Key: fmt.Appendf(nil, "key%05d", i), Value: jsonish(i, 150)}
	}
	b := parsed(t, built(t, CodecNone, records...))
	proven := opened(t, b)
	for codec, levels := range map[Codec][]int{CodecGzip: {1, 9}, CodecLz4: {0, 9}, CodecZstd: {1, 19}} {
		sizes := make([]int, len(levels))
		for i, level := range levels {
			made, err := b.Recompress(proven, Compression{codec, level}, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			sizes[i] = made.Size()
		}
		if sizes[1] >= sizes[0]*99/100 {
			t.Errorf("%s: %d bytes with level %d, %d with %d", codec, sizes[0], levels[0], sizes[1], levels[1])
		}
	}
}

// Goal: a topic's limit holds for what is written, too.
func TestRecompressKeepsToTheLimit(t *testing.T) {
	b := parsed(t, built(t, CodecZstd, Record{Value: bytes.Repeat([]byte("x"), 100_000)}))
	records := opened(t, b)
	defer records.Release()
	for _, codec := range codecs[:4] {
		whole, err := b.Recompress(records, Compression{Codec: codec}, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		size := whole.Size()
		if _, err := b.Recompress(records, Compression{Codec: codec}, size); err != nil {
			t.Errorf("%s in exactly %d bytes: %v", codec, size, err)
		}
		_, err = b.Recompress(records, Compression{Codec: codec}, size-1)
		wantKind(t, err, TooLarge)
	}
}

// Goal: readers that make room for a block, as Java's, need little of it.
func TestLz4BlocksAreSmall(t *testing.T) {
	b := parsed(t, built(t, CodecLz4, someRecords(3)...))
	if most := lz4BlockMax(b.payload()[5]); most != 64<<10 {
		t.Errorf("blocks of up to %d bytes", most)
	}
}

// BenchmarkRecompress is what a topic's compression.type costs for each byte
// of records that come uncompressed.
func BenchmarkRecompress(b *testing.B) {
	batch := benchBatch(b, CodecNone, 1000, 100, 0)
	records, err := batch.Open(wide)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []Compression{
		{CodecNone, 0}, {CodecGzip, 0}, {CodecGzip, 1}, {CodecGzip, 9}, {CodecSnappy, 0}, {CodecLz4, 0}, {CodecLz4, 1}, {CodecLz4, 9},
		{CodecZstd, 1}, {CodecZstd, 3}, {CodecZstd, 7}, {CodecZstd, 19},
	} {
		b.Run(fmt.Sprintf("%s/level=%d", c.Codec, c.Level), func(b *testing.B) {
			size, before := 0, cpuSeconds(b)
			b.SetBytes(int64(records.Size()))
			for b.Loop() {
				made, err := batch.Recompress(&records, c, 1<<20)
				if err != nil {
					b.Fatal(err)
				}
				size = made.Size()
			}
			b.ReportMetric(1e9*(cpuSeconds(b)-before)/float64(b.N)/float64(records.Size()), "cpu-s/GB")
			b.ReportMetric(float64(records.Size())/float64(size), "ratio")
		})
	}
}

// cpuSeconds is what this process has used. A shared machine has little say in it.
func cpuSeconds(b *testing.B) float64 {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}
