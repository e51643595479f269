package segment

import (
	"bytes"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
)

// crashedImage is a log of three segments that was not closed; a part of the
// last one lies behind the recovery point and before zeros.
func crashedImage(t testing.TB) diskImage {
	fs := vfs.NewMem()
	l := open(t, fs, Config{SegmentBytes: 900, IndexIntervalBytes: 100})
	for base := protocol.Offset(0); base < 20; base += 2 {
		must(t, l.Append(0, records(t, base, 2, 60)))
		if base == 16 {
			must(t, l.Checkpoint())
		}
	}
	must(t, l.WriteCheckpoint("fold", 4, []byte("state")))
	image := imageOf(t, fs)
	_ = l.w.closeFiles()
	name := logName(l.w.state.active.segment)
	return image.with(name, append(image[name], make([]byte, 1000)...))
}

// FuzzRecover: whatever is done to one file of a log, opening and reading it
// ends, and serves nothing but the first batches of what was appended.
func FuzzRecover(f *testing.F) {
	image := crashedImage(f)
	want, err := image.serve(f)
	must(f, err)
	var names []string
	for name := range image {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		size := uint16(len(image[name]))
		f.Add(uint8(i), uint16(0), []byte{}, uint16(0), false)                  // left alone
		f.Add(uint8(i), size/2, make([]byte, 512), uint16(0), false)            // a lost sector
		f.Add(uint8(i), size/2, []byte{}, size/2, false)                        // cut
		f.Add(uint8(i), size, []byte("behind the end"), uint16(0), false)       // grown
		f.Add(uint8(i), uint16(0), []byte{}, uint16(0), true)                   // removed
		f.Add(uint8(i), uint16(0), image[names[(i+1)%len(names)]], size, false) // another's contents
		f.Add(uint8(i), uint16(8), []byte{0x7f, 0xff, 0xff, 0xff}, uint16(0), false)
	}
	f.Fuzz(func(t *testing.T, file uint8, at uint16, patch []byte, cut uint16, removed bool) {
		name := names[int(file)%len(names)]
		b := bytes.Clone(image[name])
		b = b[:len(b)-min(int(cut), len(b))]
		if grow := int(at) + len(patch) - len(b); grow > 0 {
			b = append(b, make([]byte, grow)...)
		}
		copy(b[at:], patch)
		changed := image.with(name, b)
		if removed {
			delete(changed, name)
		}
		got, err := changed.serve(t)
		if err == nil && !bytes.HasPrefix(want, got) {
			t.Fatalf("served %d bytes that were not appended", len(got))
		}
	})
}

// FuzzDecode: no bytes make a decoder fail in any way but an error, and what a
// manifest decodes to encodes to the same bytes.
func FuzzDecode(f *testing.F) {
	f.Add(someManifest().encode())
	f.Add(encodeChunk(42, 0, []entry{{offset: 50, pos: 4096, maxTime: 1000}}))
	f.Add(encodeCheckpoint(42, []byte("state")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := decodeManifest(b); err == nil && !bytes.Equal(m.encode(), b) {
			t.Fatal("a manifest decodes to another")
		}
		decodeCheckpoint(b, 42)
		var c chunk
		if c.read(bytes.NewReader(b), 42, 0) == nil {
			c.entriesOf(c.count)
		}
	})
}
