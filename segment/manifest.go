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
	clean    bool // closed cleanly: nothing lies behind the recovery point
	cut      bool // a cut is pending: see Log.applyCut
	start    protocol.Offset
	segments []extent // ascending, never empty; the last one is active
	epochs   epochs
}

// active is the segment that is written to, as far as it was durable.
func (m *manifest) active() *extent { return &m.segments[len(m.segments)-1] }

const (
	flagClean = 1 << iota
	flagCut
)

func (m *manifest) encode() []byte {
	b := make([]byte, 0, manifestHeadSize+len(m.segments)*manifestSegmentSize+len(m.epochs)*manifestEpochSize+crcSize)
	b = append(b, manifestMagic...)
	b = binary.BigEndian.AppendUint16(b, formatVersion)
	b = binary.BigEndian.AppendUint16(b, m.flags())
	b = appendInt64(b, int64(m.start))
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.segments)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.epochs)))
	for _, x := range m.segments {
		b = appendInt64(b, int64(x.base))
		b = appendInt64(b, int64(x.next))
		b = appendInt64(b, x.size)
		b = appendInt64(b, x.maxTime)
		b = appendInt64(b, int64(x.maxTimeBase))
		b = appendInt64(b, x.entries)
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

// decodeManifest reads what encode wrote and proves that it makes sense.
func decodeManifest(b []byte) (*manifest, error) {
	if len(b) < manifestHeadSize+crcSize || string(b[:4]) != manifestMagic {
		return nil, fmt.Errorf("%d bytes are not a manifest", len(b))
	}
	if v := binary.BigEndian.Uint16(b[4:]); v != formatVersion {
		return nil, errVersion(v)
	}
	body := b[:len(b)-crcSize]
	if got, want := binary.BigEndian.Uint32(b[len(body):]), checksum(body); got != want {
		return nil, fmt.Errorf("CRC is %08x, should be %08x", got, want)
	}
	flags := binary.BigEndian.Uint16(b[6:])
	nSegments, nEpochs := int64(binary.BigEndian.Uint32(b[16:])), int64(binary.BigEndian.Uint32(b[20:]))
	if int64(len(body)) != manifestHeadSize+nSegments*manifestSegmentSize+nEpochs*manifestEpochSize {
		return nil, fmt.Errorf("%d segments and %d epochs are not in %d bytes", nSegments, nEpochs, len(b))
	}
	m := &manifest{
		clean: flags&flagClean != 0,
		cut:   flags&flagCut != 0,
		start: protocol.Offset(getInt64(b[8:])),
	}
	rest := body[manifestHeadSize:]
	for range nSegments {
		m.segments = append(m.segments, decodeExtent(rest))
		rest = rest[manifestSegmentSize:]
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

func decodeExtent(b []byte) extent {
	return extent{
		segment:     &segment{base: protocol.Offset(getInt64(b))},
		next:        protocol.Offset(getInt64(b[8:])),
		size:        getInt64(b[16:]),
		maxTime:     getInt64(b[24:]),
		maxTimeBase: protocol.Offset(getInt64(b[32:])),
		entries:     getInt64(b[40:]),
	}
}

// validate refuses segments that overlap and numbers that cannot be.
func (m *manifest) validate() error {
	if len(m.segments) == 0 {
		return fmt.Errorf("no segments")
	}
	floor := protocol.Offset(0)
	for _, x := range m.segments {
		if x.base < floor || x.next < x.base || x.size < 0 || x.size > segmentBytesMax || x.entries < 0 {
			return fmt.Errorf("segment %s to %d of %d bytes cannot follow offset %d", offsetName(x.base), x.next, x.size, floor)
		}
		floor = x.next
	}
	if m.start < 0 || m.start > floor {
		return fmt.Errorf("log start %d is behind the log's end, %d", m.start, floor)
	}
	return m.epochs.validate()
}

// errVersion is a format that this program does not know.
type errVersion uint16

func (v errVersion) Error() string {
	return fmt.Sprintf("format version %d is not known; this program knows version %d", uint16(v), formatVersion)
}
