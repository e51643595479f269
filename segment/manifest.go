package segment

import (
	"encoding/binary"
	"fmt"

	"github.com/lockstep-log/lockstep/protocol"
)

// manifest is the truth about what the log is made of. It is replaced whole
// and durably whenever that changes, and now and then to move the recovery
// point; everything later is found by scanning the active segment.
type manifest struct {
	clean     bool // closed cleanly: nothing lies behind the recovery point
	cut       bool // a cut is pending: see Log.applyCut
	start     protocol.Offset
	compacted protocol.Offset // up to where a pass of compaction has been
	segments  []extent        // ascending, never empty; the last one is active
	epochs    epochs
}

// active is the segment that is written to, as far as it was durable.
func (m *manifest) active() *extent { return &m.segments[len(m.segments)-1] }

const (
	flagClean = 1 << iota
	flagCut
)

// Flags of one segment.
const (
	flagSparse = 1 << iota
	flagHeld
)

func (m *manifest) encode() []byte {
	b := make([]byte, 0, manifestHeadSize+len(m.segments)*manifestSegmentSize+len(m.epochs)*manifestEpochSize+crcSize)
	b = append(b, manifestMagic...)
	b = binary.BigEndian.AppendUint16(b, manifestVersion)
	b = binary.BigEndian.AppendUint16(b, m.flags())
	b = appendInt64(b, int64(m.start))
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.segments)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.epochs)))
	b = appendInt64(b, int64(m.compacted))
	for _, x := range m.segments {
		b = appendInt64(b, int64(x.base))
		b = appendInt64(b, int64(x.next))
		b = appendInt64(b, x.size)
		b = appendInt64(b, x.maxTime)
		b = appendInt64(b, int64(x.maxTimeBase))
		b = appendInt64(b, x.entries)
		b = binary.BigEndian.AppendUint32(b, x.edition)
		b = binary.BigEndian.AppendUint32(b, x.flags())
		b = appendInt64(b, x.writtenMs)
	}
	for _, e := range m.epochs {
		b = binary.BigEndian.AppendUint32(b, uint32(e.epoch))
		b = appendInt64(b, int64(e.start))
	}
	return binary.BigEndian.AppendUint32(b, checksum(b))
}

func (m *manifest) flags() (f uint16) {
	if m.clean {
		f |= flagClean
	}
	if m.cut {
		f |= flagCut
	}
	return f
}

func (x extent) flags() uint32 {
	f := uint32(0)
	if x.sparse {
		f |= flagSparse
	}
	if x.held {
		f |= flagHeld
	}
	return f
}

// layout is how large the parts of a manifest are in one version of it.
type layout struct{ head, segment int64 }

var layouts = map[uint16]layout{
	1: {24, 48},
	2: {manifestHeadSize, manifestSegmentSize},
}

// decodeManifest reads what encode wrote and proves that it makes sense.
func decodeManifest(b []byte) (*manifest, error) {
	if int64(len(b)) < layouts[1].head+crcSize || string(b[:4]) != manifestMagic {
		return nil, fmt.Errorf("%d bytes are not a manifest", len(b))
	}
	version := binary.BigEndian.Uint16(b[4:])
	lay, known := layouts[version]
	if !known {
		return nil, errVersion(version)
	}
	body := b[:len(b)-crcSize]
	if got, want := binary.BigEndian.Uint32(b[len(body):]), checksum(body); got != want {
		return nil, fmt.Errorf("CRC is %08x, should be %08x", got, want)
	}
	flags := binary.BigEndian.Uint16(b[6:])
	nSegments, nEpochs := int64(binary.BigEndian.Uint32(b[16:])), int64(binary.BigEndian.Uint32(b[20:]))
	if int64(len(body)) != lay.head+nSegments*lay.segment+nEpochs*manifestEpochSize {
		return nil, fmt.Errorf("%d segments and %d epochs are not in %d bytes", nSegments, nEpochs, len(b))
	}
	m := &manifest{
		clean: flags&flagClean != 0,
		cut:   flags&flagCut != 0,
		start: protocol.Offset(getInt64(b[8:])),
	}
	if version > 1 {
		m.compacted = protocol.Offset(getInt64(b[24:]))
	}
	rest := body[lay.head:]
	for range nSegments {
		m.segments = append(m.segments, decodeExtent(rest[:lay.segment]))
		rest = rest[lay.segment:]
	}
	for range nEpochs {
		m.epochs = append(m.epochs, epochStart{
			epoch: protocol.LeaderEpoch(binary.BigEndian.Uint32(rest)),
			start: protocol.Offset(getInt64(rest[4:])),
		})
		rest = rest[manifestEpochSize:]
	}
	return m, m.validate()
}

// decodeExtent decodes a segment of either version.
func decodeExtent(b []byte) extent {
	x := extent{
		segment:     &segment{base: protocol.Offset(getInt64(b)), writtenMs: -1},
		next:        protocol.Offset(getInt64(b[8:])),
		size:        getInt64(b[16:]),
		maxTime:     getInt64(b[24:]),
		maxTimeBase: protocol.Offset(getInt64(b[32:])),
		entries:     getInt64(b[40:]),
	}
	if len(b) == manifestSegmentSize {
		x.edition = binary.BigEndian.Uint32(b[48:])
		flags := binary.BigEndian.Uint32(b[52:])
		x.sparse, x.held = flags&flagSparse != 0, flags&flagHeld != 0
		x.writtenMs = getInt64(b[56:])
	}
	return x
}

// validate refuses segments that overlap and numbers that cannot be.
func (m *manifest) validate() error {
	if len(m.segments) == 0 {
		return fmt.Errorf("no segments")
	}
	floor := protocol.Offset(0)
	// Gaps between segments are allowed, since compaction makes them; overlaps are not.
	for _, x := range m.segments {
		if x.base < floor || x.next < x.base || x.size < 0 || x.size > segmentBytesMax || x.entries < 0 {
			return fmt.Errorf("segment %s to %d of %d bytes cannot follow offset %d", offsetName(x.base), x.next, x.size, floor)
		}
		floor = x.next
	}
	if m.start < 0 || m.start > floor {
		return fmt.Errorf("log start %d is behind the log's end, %d", m.start, floor)
	}
	if m.compacted < 0 || m.compacted > floor {
		return fmt.Errorf("compacted up to %d, behind the log's end, %d", m.compacted, floor)
	}
	return m.epochs.validate()
}

// errVersion is a format that this program does not know.
type errVersion uint16

func (v errVersion) Error() string {
	return fmt.Sprintf("format version %d is not known; this program knows version %d", uint16(v), manifestVersion)
}
