package protocol

import (
	"encoding/binary"
	"errors"
	"testing"
)

func TestFrameLengthRefusesWhatNoFrameCanHave(t *testing.T) {
	for length, why := range map[int32]string{
		-1:         "frame length -1 is negative",
		-1 << 31:   "frame length -2147483648 is negative",
		0:          "frame length is zero",
		1001:       "frame length 1001 is over the limit of 1000 bytes",
		1<<31 - 1:  "frame length 2147483647 is over the limit of 1000 bytes",
		0x47455420: "frame length 1195725856 is over the limit of 1000 bytes", // "GET "
	} {
		_, err := FrameLength(prefixed(length), 1000)
		var frame *FrameError
		equal(t, true, errors.As(err, &frame))
		equal(t, length, frame.Length)
		refused(t, err, why)
	}
	for _, length := range []int32{1, 999, 1000} {
		got, err := FrameLength(prefixed(length), 1000)
		noError(t, err)
		equal(t, int(length), got)
	}
}

func prefixed(length int32) (p [FrameLengthBytes]byte) {
	binary.BigEndian.PutUint32(p[:], uint32(length))
	return p
}
