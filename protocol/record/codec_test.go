package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/snappy/xerial"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/lockstep-log/lockstep/protocol"
)

// recordOf is the payload of one record with so large a value.
func recordOf(t testing.TB, valueBytes int) []byte {
	t.Helper()
	return Batch{built(t, CodecNone, Record{Value: make([]byte, valueBytes)})}.payload()
}

// bomb is 48 MiB of zeros under a codec; the frames say their size or not.
// Where a format repeats itself, it is written out, which is quicker.
func bomb(t testing.TB, codec Codec, sized bool) []byte {
	t.Helper()
	const size = 48 << 20
	var out bytes.Buffer
	zeros := func(z io.WriteCloser) []byte {
		chunk := make([]byte, 1<<20)
		for range size / len(chunk) {
			if _, err := z.Write(chunk); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	switch {
	case codec == CodecLz4:
		z := lz4.NewWriter(&out)
		if sized {
			if err := z.Apply(lz4.SizeOption(size)); err != nil {
				t.Fatal(err)
			}
		}
		return zeros(z)
	case codec == CodecZstd && sized: // blocks of one byte, repeated 131,072 times
		frame := binary.LittleEndian.AppendUint32([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0}, size)
		frame = append(frame, bytes.Repeat([]byte{0x02, 0x00, 0x10, 0}, size/(128<<10)-1)...)
		return append(frame, 0x03, 0x00, 0x10, 0)
	case codec == CodecZstd:
		z, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		return zeros(z)
	case codec == CodecGzip:
		frame := zeros(gzip.NewWriter(&out))
		if !sized { // a last member that says nothing of those before it
			frame = append(frame, compressed(t, CodecGzip, nil)...)
		}
		return frame
	case codec == CodecSnappy && sized: // a zero, and copies of 64 from one byte back
		block := append(binary.AppendUvarint(nil, size), 0, 0)
		return append(block, bytes.Repeat([]byte{63<<2 | 2, 1, 0}, size/64)...)
	default:
		block := s2.EncodeSnappy(nil, make([]byte, 1<<20))
		block = append(binary.BigEndian.AppendUint32(nil, uint32(len(block))), block...)
		return append(xerial.Encode(nil, nil), bytes.Repeat(block, size>>20)...)
	}
}

// Goal: three times the bound in zeros is refused in each codec for little more memory than
// the bound in all, made and thrown away buffers counted. Method: the frames
// that announce their size and those that do not, through the gateway.
func TestBombsAreRefusedWithinTheBound(t *testing.T) {
	const bound = 16 << 20
	lim := Limits{BatchBytesMax: protocol.LimitOf(64 << 20), DecompressedBytesMax: bound}
	for _, codec := range codecs[1:] {
		for _, sized := range []bool{true, false} {
			name := codec.String() + "/unsized"
			if sized {
				name = codec.String() + "/sized"
			}
			t.Run(name, func(t *testing.T) {
				raw := withPayload(t, codec, 1, bomb(t, codec, sized))
				b, err := Parse(raw, lim)
				if err != nil {
					t.Fatal(err)
				}
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				_, err = b.Open(lim)
				runtime.ReadMemStats(&after)
				wantKind(t, err, TooLarge)
				cost := after.TotalAlloc - before.TotalAlloc
				t.Logf("%d bytes of batch cost %d bytes of memory", len(raw), cost)
				if cost > 2*bound {
					t.Errorf("%d bytes allocated under a bound of %d", cost, bound)
				}
			})
		}
	}
}

// Goal: a few bytes that claim much get no memory for it.
func TestClaimsThatFewBytesCannotKeepAreRefused(t *testing.T) {
	z, _ := zstd.NewWriter(nil)
	fat := z.EncodeAll(make([]byte, 60<<20), nil)
	for name, c := range map[string]struct {
		codec   Codec
		payload []byte
	}{
		"zstd that says 60 MiB, cut": {CodecZstd, fat[:30]},
		"snappy that says 60 MiB":    {CodecSnappy, append(binary.AppendUvarint(nil, 60<<20), 0, 'x')},
		"xerial that says 60 MiB":    {CodecSnappy, append([]byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x06"), append(binary.AppendUvarint(nil, 60<<20), 0, 'x')...)},
		"gzip that says 60 MiB":      {CodecGzip, append(compressed(t, CodecGzip, []byte("x"))[:20], 0, 0, 0xc0, 3)},
		"LZ4 that says 60 MiB":       {CodecLz4, lz4Sized(t, 60<<20)},
		"LZ4 with a block of 4 MiB":  {CodecLz4, []byte{4, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73, 1, 0, 0, 0, 0, 0, 0, 0, 0}},
		"LZ4 that says a block more": {CodecLz4, []byte{4, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73, 2, 0, 0, 0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			b := parsed(t, withPayload(t, c.codec, 1, c.payload))
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			_, err := b.Open(wide)
			runtime.ReadMemStats(&after)
			wantKind(t, err, Invalid)
			// The LZ4 reader has two buffers of the frame's block size, which
			// is 4 MiB at most.
			if cost := after.TotalAlloc - before.TotalAlloc; cost > 9<<20 {
				t.Errorf("%d bytes allocated", cost)
			}
		})
	}
}

// lz4Sized is a small frame that announces another size than it has.
func lz4Sized(t testing.TB, size uint64) []byte {
	t.Helper()
	var out bytes.Buffer
	z := lz4.NewWriter(&out)
	if err := z.Apply(lz4.SizeOption(3)); err != nil {
		t.Fatal(err)
	}
	_, _ = z.Write([]byte("abc"))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	frame := out.Bytes()
	binary.LittleEndian.PutUint64(frame[6:], size)
	return frame
}

// Goal: what codecs accept beyond what every Kafka client reads is refused,
// without a panic.
func TestStreamsThatOnlySomeClientsReadAreRefused(t *testing.T) {
	plain := recordOf(t, 300)
	z, _ := zstd.NewWriter(nil)
	for name, c := range map[string]struct {
		codec   Codec
		payload []byte
	}{
		"nothing, gzip":            {CodecGzip, []byte{0}},
		"nothing, lz4":             {CodecLz4, []byte{0}},
		"nothing, snappy":          {CodecSnappy, []byte{0}},
		"nothing, zstd":            {CodecZstd, []byte{0}},
		"plain records, gzip":      {CodecGzip, plain},
		"plain records, lz4":       {CodecLz4, plain},
		"plain records, snappy":    {CodecSnappy, plain},
		"plain records, zstd":      {CodecZstd, plain},
		"gzip with bytes behind":   {CodecGzip, append(compressed(t, CodecGzip, plain), 1)},
		"lz4 with bytes behind":    {CodecLz4, append(compressed(t, CodecLz4, plain), 1)},
		"lz4 twice":                {CodecLz4, append(compressed(t, CodecLz4, plain), compressed(t, CodecLz4, nil)...)},
		"lz4, skippable first":     {CodecLz4, append([]byte{0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0}, compressed(t, CodecLz4, plain)...)},
		"lz4 legacy":               {CodecLz4, []byte{2, 0x21, 0x4c, 0x18, 1, 0, 0, 0, 0}},
		"snappy with bytes behind": {CodecSnappy, append(compressed(t, CodecSnappy, plain), 0, 'x')},
		"snappy, repeated offset":  {CodecSnappy, s2.Encode(nil, bytes.Repeat([]byte("0123456789abcdefgh-"), 500))},
		"xerial in xerial":         {CodecSnappy, xerial.Encode(nil, xerial.Encode(nil, plain))},
		"xerial, head only":        {CodecSnappy, []byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01")},
		"xerial, half a head":      {CodecSnappy, []byte("\x82SNAPPY\x00\x00\x00\x00\x01")},
		"xerial, version 0":        {CodecSnappy, []byte("\x82SNAPPY\x00\x00\x00\x00\x00\x00\x00\x00\x01")},
		"xerial, half a block":     {CodecSnappy, []byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x02\x00")},
		"xerial, half a length":    {CodecSnappy, []byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00")},
		"zstd with bytes behind":   {CodecZstd, append(z.EncodeAll(plain, nil), 1, 2, 3)},
		"zstd, window of 144 MiB":  {CodecZstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 17<<3 | 1, 1, 0, 0}},
		"zstd, unknown dictionary": {CodecZstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x21, 7, 1, 1, 0, 0}},
		"zstd, two empty blocks":   {CodecZstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0, 0, 0, 1, 0, 0}},
		"zstd, reserved block":     {CodecZstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 7, 0, 0}},
		"zstd, block of 2 MiB":     {CodecZstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0xfb, 0xff, 0xff, 0}},
		"zstd, skippable first":    {CodecZstd, append([]byte{0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0}, z.EncodeAll(plain, nil)...)},
		"zstd, size over content":  {CodecZstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x20, 9, 0x41, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parsed(t, withPayload(t, c.codec, 1, c.payload)).Open(wide)
			wantKind(t, err, Invalid)
		})
	}
}

// Goal: a block of a negative length is none.
func TestAXerialBlockHasALength(t *testing.T) {
	if _, _, err := cutXerial([]byte{0x80, 0, 0, 0}); !errors.Is(err, errXerialFrame) {
		t.Error(err)
	}
}

// Goal: the shapes that clients do send are read: xerial frames, frames in
// many blocks, several gzip members and zstd frames, with and without sizes.
func TestEveryShapeOfStreamIsRead(t *testing.T) {
	plain := recordOf(t, 900_000)
	random := rand.New(rand.NewPCG(1, 2))
	for i := 100; i < len(plain)-1; i += 3 {
		plain[i] = byte(random.IntN(8))
	}
	streamed := func(level zstd.EncoderLevel) []byte {
		var out bytes.Buffer
		z, _ := zstd.NewWriter(&out, zstd.WithEncoderLevel(level), zstd.WithWindowSize(128<<20), zstd.WithEncoderCRC(true))
		for b := plain; len(b) > 0; b = b[min(len(b), 10_000):] { // many blocks
			_, _ = z.Write(b[:min(len(b), 10_000)])
			_ = z.Flush()
		}
		_ = z.Close()
		return out.Bytes()
	}
	lz4With := func(options ...lz4.Option) []byte {
		var out bytes.Buffer
		z := lz4.NewWriter(&out)
		if err := z.Apply(options...); err != nil {
			t.Fatal(err)
		}
		_, _ = z.Write(plain)
		_ = z.Close()
		return out.Bytes()
	}
	half := len(plain) / 2
	for name, c := range map[string]struct {
		codec   Codec
		payload []byte
	}{
		"bare snappy":           {CodecSnappy, s2.EncodeSnappy(nil, plain)},
		"xerial snappy":         {CodecSnappy, xerial.Encode(nil, plain)},
		"gzip in two members":   {CodecGzip, append(compressed(t, CodecGzip, plain[:half]), compressed(t, CodecGzip, plain[half:])...)},
		"zstd in two frames":    {CodecZstd, append(compressed(t, CodecZstd, plain[:half]), compressed(t, CodecZstd, plain[half:])...)},
		"zstd streamed":         {CodecZstd, streamed(zstd.SpeedFastest)},
		"zstd streamed, best":   {CodecZstd, streamed(zstd.SpeedBestCompression)},
		"lz4, 64 KiB blocks":    {CodecLz4, lz4With(lz4.BlockSizeOption(lz4.Block64Kb))},
		"lz4, 4 MiB blocks":     {CodecLz4, lz4With(lz4.BlockSizeOption(lz4.Block4Mb))},
		"lz4, all checksums":    {CodecLz4, lz4With(lz4.BlockChecksumOption(true), lz4.ChecksumOption(true))},
		"lz4, none, with size":  {CodecLz4, lz4With(lz4.ChecksumOption(false), lz4.SizeOption(uint64(len(plain))))},
		"lz4, best compression": {CodecLz4, lz4With(lz4.CompressionLevelOption(lz4.Level9))},
	} {
		t.Run(name, func(t *testing.T) {
			records := opened(t, parsed(t, withPayload(t, c.codec, 1, c.payload)))
			if !bytes.Equal(records.payload, plain) {
				t.Errorf("%d bytes, want %d", records.Size(), len(plain))
			}
		})
	}
}

// Goal: a stream cut anywhere is refused. Method: every length of a small one,
// under each codec; none may pass, none may panic.
func TestTruncatedStreamsAreRefused(t *testing.T) {
	plain := recordOf(t, 700)
	for _, codec := range codecs[1:] {
		whole := compressed(t, codec, plain)
		for n := 1; n < len(whole); n++ {
			if _, err := parsed(t, withPayload(t, codec, 1, whole[:n])).Open(wide); KindOf(err) != Invalid {
				t.Errorf("%s cut to %d of %d bytes: %v", codec, n, len(whole), err)
			}
		}
	}
}

// Goal: no flipped bit makes a decoder panic or go over its bound. Method:
// every bit of small streams; many of them still decode.
func TestFlippedBitsInStreamsDoNotPanic(t *testing.T) {
	plain := recordOf(t, 200)
	for _, codec := range codecs[1:] {
		whole := compressed(t, codec, plain)
		for bit := range len(whole) * 8 {
			whole[bit/8] ^= 1 << (bit % 8)
			records, err := parsed(t, withPayload(t, codec, 1, whole)).Open(Limits{DecompressedBytesMax: 1 << 20})
			if err == nil {
				records.Release()
			}
			whole[bit/8] ^= 1 << (bit % 8)
		}
	}
}

// Goal: pooled decoders and buffers are never shared by two at once. Method:
// goroutines open batches of all codecs and read every byte; best with -race.
func TestBatchesAreOpenedSideBySide(t *testing.T) {
	sent := someRecords(200)
	var batches []Batch
	for _, codec := range codecs {
		batches = append(batches, parsed(t, built(t, codec, sent...)))
	}
	want := asKmsg(sent)
	errs := make([]error, 4)
	var group sync.WaitGroup
	for worker := range errs {
		group.Go(func() {
			for i := range 50 {
				records, err := batches[(worker+i)%len(batches)].Open(wide)
				if err == nil {
					err = sameRecords(read(&records), want)
					records.Release()
				}
				errs[worker] = errors.Join(errs[worker], err)
			}
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}

// Goal: names are Kafka's.
func TestCodecNamesReadBack(t *testing.T) {
	for _, codec := range codecs {
		if got, ok := ParseCodec(codec.String()); !ok || got != codec {
			t.Errorf("%s reads as %v, %v", codec, got, ok)
		}
	}
	if _, ok := ParseCodec("brotli"); ok || Codec(6).String() != "codec 6" {
		t.Error("an unknown codec has a name")
	}
	if _, err := (Compression{Codec: 9}).appendTo(nil, nil); KindOf(err) != UnsupportedCodec {
		t.Error(err)
	}
	if _, err := decompress(9, nil, 1); KindOf(err) != UnsupportedCodec {
		t.Error(err)
	}
}

// Batches that open far do not each leave a buffer to the collector. Under the race
// detector a pool loses some on purpose.
func TestLargeBuffersAreUsedAgain(t *testing.T) {
	const rounds, size = 20, 60 << 20
	payload := recordOf(t, size)
	for _, codec := range []Codec{CodecGzip, CodecSnappy, CodecLz4, CodecZstd} {
		packed := compressed(t, codec, payload)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range rounds {
			buf, err := decompress(codec, packed, 64<<20)
			if err != nil {
				t.Fatalf("%s: %v", codec, err)
			}
			buf.release()
		}
		runtime.ReadMemStats(&after)
		if made := (after.TotalAlloc - before.TotalAlloc) / size; made > rounds/2 {
			t.Errorf("%s: in %d rounds %d buffers were made", codec, rounds, made)
		}
	}
}
