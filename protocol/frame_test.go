package protocol

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func framed(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func TestReadFrameReadsFramesHoweverTheyArrive(t *testing.T) {
	bodies := [][]byte{{1}, bytes.Repeat([]byte("ab"), 10), bytes.Repeat([]byte("xyz"), 100_000)}
	var stream []byte
	for _, b := range bodies {
		stream = append(stream, framed(b)...)
	}
	readers := map[string]io.Reader{
		"at once":      bytes.NewReader(stream),
		"byte by byte": iotest.OneByteReader(bytes.NewReader(stream)),
		"with the end": iotest.DataErrReader(bytes.NewReader(stream)),
	}
	for name, r := range readers {
		t.Run(name, func(t *testing.T) {
			br := bufio.NewReader(r)
			for _, want := range bodies {
				got, err := ReadFrame(br, 1<<20, nil)
				noError(t, err)
				equal(t, true, bytes.Equal(want, got))
			}
			_, err := ReadFrame(br, 1<<20, nil)
			equal(t, io.EOF, err)
		})
	}
}

func TestReadFrameRefusesLengthsBeforeItAllocates(t *testing.T) {
	for length, why := range map[int32]string{
		-1:         "frame length -1 is negative",
		-1 << 31:   "frame length -2147483648 is negative",
		0:          "frame length is zero",
		1001:       "frame length 1001 is over the limit of 1000 bytes",
		1<<31 - 1:  "frame length 2147483647 is over the limit of 1000 bytes",
		0x47455420: "frame length 1195725856 is over the limit of 1000 bytes", // "GET "
	} {
		stream := binary.BigEndian.AppendUint32(nil, uint32(length))
		_, err := ReadFrame(bufio.NewReader(bytes.NewReader(stream)), 1000, func(int) []byte { panic("allocated") })
		var frame *FrameError
		equal(t, true, errors.As(err, &frame))
		equal(t, length, frame.Length)
		refused(t, err, why)
	}
}

func TestReadFrameTellsAnEndWithinAFrameFromOneBetween(t *testing.T) {
	stream := framed(make([]byte, 200_000))
	for _, n := range []int{1, 3, 4, 5, 70_000, 199_999} {
		_, err := ReadFrame(bufio.NewReader(bytes.NewReader(stream[:n])), 1<<20, nil)
		equal(t, io.ErrUnexpectedEOF, err)
	}
}

// Goal: a sender cannot claim memory, only fill it. Method: every prefix of a
// frame that claims 100 MiB, with the allocations counted.
func TestReadFrameAllocatesNoMoreThanFourTimesWhatCame(t *testing.T) {
	for _, sent := range []int{0, 1, 64<<10 - 1, 64 << 10, 100_000, 256 << 10, 3 << 20} {
		stream := append(binary.BigEndian.AppendUint32(nil, 100<<20), make([]byte, sent)...)
		largest := 0
		_, err := ReadFrame(bufio.NewReader(bytes.NewReader(stream)), 100<<20, func(n int) []byte {
			largest = max(largest, n)
			return make([]byte, n)
		})
		equal(t, io.ErrUnexpectedEOF, err)
		if largest > max(frameFirstStep, frameGrowth*sent) {
			t.Fatalf("%d bytes sent, %d allocated", sent, largest)
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add(framed([]byte("hello")), int32(100))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, int32(100))
	f.Add([]byte{0x7f, 0xff, 0xff, 0xff, 1, 2, 3}, int32(1<<31-1))
	f.Add([]byte{0, 0, 0}, int32(5))
	f.Fuzz(func(t *testing.T, stream []byte, limit int32) {
		br := bufio.NewReader(bytes.NewReader(stream))
		rest := stream
		for {
			frame, err := ReadFrame(br, limit, nil)
			if err != nil {
				return
			}
			if len(frame) == 0 || len(frame) > int(limit) || !bytes.Equal(frame, rest[4:4+len(frame)]) {
				t.Fatalf("frame of %d bytes", len(frame))
			}
			rest = rest[4+len(frame):]
		}
	})
}
