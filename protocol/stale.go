package protocol

import (
	"encoding/binary"
	"time"
)

// TagStale is a tagged field of the answer to DescribeCluster, there only while
// the broker has no contact with the metadata store: since when, as int64
// milliseconds. What the broker says of others is as of then.
const TagStale = 10103

// AppendStale appends the field's value.
func AppendStale(dst []byte, since time.Time) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(since.UnixMilli()))
}

// StaleSince reads it.
func StaleSince(value []byte) (since time.Time, ok bool) {
	if len(value) != 8 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(value))), true
}
