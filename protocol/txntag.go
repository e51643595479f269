package protocol

import "encoding/binary"

const (
	// TagMarkerNumber is a tagged field of a marker in WriteTxnMarkers, by which its
	// coordinator numbers the ends of a transactional id: int64, above 0. A partition
	// takes no marker whose number is not above that of the producer's last one, so
	// that a repeat ends no newer transaction. Markers without it are a client's.
	TagMarkerNumber = 10105
	// TagEndByOthers is a tagged field of EndTxn, from version 3 on: one byte, 1. The
	// transaction is to be aborted, whoever its producer is, and that is fenced; the
	// producer id and epoch of the request count for nothing.
	TagEndByOthers = 10106
)

const markerNumberBytes = 8

// AppendMarkerNumber appends the value of TagMarkerNumber.
func AppendMarkerNumber(dst []byte, number int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(number))
}

// ReadMarkerNumber reads the value of TagMarkerNumber; 0 if it is none.
func ReadMarkerNumber(value []byte) int64 {
	if len(value) != markerNumberBytes {
		return 0
	}
	return max(0, int64(binary.BigEndian.Uint64(value)))
}
