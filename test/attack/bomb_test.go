package attack

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"runtime"
	"sync"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol/record"
)

// around is a batch of one record whose compressed records are given.
func around(t testing.TB, codec record.Codec, compressed []byte) []byte {
	t.Helper()
	b := batchOf(t, record.Record{Value: []byte("v")})
	put16(b, atAttributes, int16(codec))
	return sealed(append(b[:atRecords:atRecords], compressed...))
}

// openedBound is what a broker may have resident while batches are opened: the most of
// one for each processor, as much again that the collector has not come to, and the
// broker itself.
func openedBound() int64 { return int64(2*64*runtime.GOMAXPROCS(0)+256) << 20 }

// Goal: a bomb costs its limit at most, however many fall at once. Method: a little
// more than the limit in zeros through every codec, on 16 connections that do not
// wait for their answers, against a broker with a process of its own.
func TestABombIsRefusedWithinItsLimit(t *testing.T) {
	t.Parallel()
	p := attackedProcess(t)
	b := p.bystand()
	p.topic("bombs")
	const connections, each = 16, 2
	for codec, bomb := range bombs(t, 66<<20) {
		p.bombard(t, "bombs", around(t, codec, bomb), connections, each, codeMessageTooLarge)
	}
	t.Logf("at most %d MiB resident", p.memoryMost()>>20)
	if most := p.memoryMost(); most > openedBound() {
		t.Errorf("%d MiB resident", most>>20)
	}
	b.stillServed()
}

// Goal: what may be opened is not held open. Method: batches that open to 60 MiB,
// just below the limit, and are admitted. Held open, the 32 of them were 1.9 GiB. The
// broker opens as many at once as there are processors.
func TestBatchesThatOpenFarAreNotHeldOpen(t *testing.T) {
	t.Parallel()
	p := attackedProcess(t)
	b := p.bystand()
	p.topic("far")
	const connections, each = 32, 2
	batch := compressedOf(t, record.CodecZstd, record.Record{Value: make([]byte, 60<<20)})
	p.bombard(t, "far", batch, connections, each, 0)
	t.Logf("%d batches of %d KiB: at most %d MiB resident", connections*each, len(batch)>>10, p.memoryMost()>>20)
	if most := p.memoryMost(); most > openedBound() {
		t.Errorf("%d MiB resident", most>>20)
	}
	b.stillServed()
}

// bombard sends a batch from many connections and expects the code each time.
func (p *process) bombard(t *testing.T, topic string, batch []byte, connections, each int, code int16) {
	t.Helper()
	req := produceRequest(topic, -1, batch)
	frame := request(req, 9)
	var work sync.WaitGroup
	for range connections {
		s := p.dial()
		work.Go(func() {
			defer s.nc.Close()
			go func() {
				for range each {
					s.nc.Write(frame)
				}
			}()
			for range each {
				b := s.answer()
				if b == nil {
					t.Error("closed instead of an answer")
					return
				}
				resp := kmsg.NewPtrProduceResponse()
				resp.Version = 9
				if err := resp.ReadFrom(b[5:]); err != nil {
					t.Error(err)
					return
				}
				if got := resp.Topics[0].Partitions[0].ErrorCode; got != code && (code == 0 || got != codeInvalidRecord) {
					t.Errorf("code %d, want %d", got, code)
				}
			}
		})
	}
	work.Wait()
}

// bombs are n zeros in each codec, as far as a request may hold them.
func bombs(t testing.TB, n int) map[record.Codec][]byte {
	t.Helper()
	const fits = 900 << 10 // below max.message.bytes
	zeros := make([]byte, 1<<20)
	all := map[record.Codec][]byte{}
	write := func(w interface {
		Write([]byte) (int, error)
		Close() error
	}, n int) {
		for range n >> 20 {
			w.Write(zeros)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var gz, lz, zs bytes.Buffer
	write(gzip.NewWriter(&gz), n)
	write(lz4.NewWriter(&lz), n)
	zw, err := zstd.NewWriter(&zs)
	if err != nil {
		t.Fatal(err)
	}
	write(zw, n)
	all[record.CodecGzip], all[record.CodecLz4], all[record.CodecZstd] = gz.Bytes(), lz.Bytes(), zs.Bytes()
	// Snappy cannot reach the limit in a batch of 1 MiB: its records lie instead.
	all[record.CodecSnappy] = s2.EncodeSnappy(nil, make([]byte, 17<<20))
	for codec, b := range all {
		if len(b) > fits {
			t.Fatalf("the %s bomb has %d bytes", codec, len(b))
		}
	}
	return all
}

func TestCompressedBytesThatLieAreRefused(t *testing.T) {
	v := attacked(t)
	b := v.bystand()
	v.topic("broken")
	s := v.dial()
	good := batchOf(t, record.Record{Value: bytes.Repeat([]byte("v"), 1000)})[atRecords:]
	packed := func(codec record.Codec) []byte {
		return compressedOf(t, codec, record.Record{Value: bytes.Repeat([]byte("v"), 1000)})[atRecords:]
	}
	xerial := append([]byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}, 0, 0, 0, 1, 0, 0, 0, 1)
	for name, c := range map[string]struct {
		codec record.Codec
		bytes []byte
	}{
		"gzip that is none":          {record.CodecGzip, good},
		"gzip that is cut":           {record.CodecGzip, packed(record.CodecGzip)[:20]},
		"snappy that is none":        {record.CodecSnappy, []byte{0xff}},
		"snappy of 100 bytes in one": {record.CodecSnappy, binary.AppendUvarint(nil, 100)},
		"xerial block cut by a byte": {record.CodecSnappy, append(bytes.Clone(xerial), 0, 0, 0, 2, 0)},
		"xerial within xerial":       {record.CodecSnappy, append(append(bytes.Clone(xerial), 0, 0, 0, 20), append(bytes.Clone(xerial), 0, 0, 0, 0)...)},
		"lz4 that is none":           {record.CodecLz4, good},
		"lz4 that is cut":            {record.CodecLz4, packed(record.CodecLz4)[:20]},
		"zstd that is none":          {record.CodecZstd, good},
		"zstd that is cut":           {record.CodecZstd, packed(record.CodecZstd)[:15]},
		"zstd, window of 144 MiB":    {record.CodecZstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 17<<3 | 1, 0x01, 0, 0}},
		"zstd that holds less":       {record.CodecZstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x20, 9, 0x41, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}},
		"zstd of a frame and a half": {record.CodecZstd, append(packed(record.CodecZstd), 0x28, 0xb5, 0x2f, 0xfd, 0x60)},
	} {
		t.Run(name, func(t *testing.T) {
			if p := s.produce("broken", around(t, c.codec, c.bytes)); p.ErrorCode != codeCorruptMessage && p.ErrorCode != codeInvalidRecord && p.ErrorCode != codeMessageTooLarge {
				t.Errorf("code %d", p.ErrorCode)
			}
		})
	}
	b.stillServed()
}
