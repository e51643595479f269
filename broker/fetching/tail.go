package fetching

import (
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/segment"
)

// Sink is the connection that an answer's tail is written to.
type Sink interface {
	io.Writer
	// SendsFiles reports whether SendFile may be called.
	SendsFiles() bool
	// SendFile sends n bytes of a file from pos on, without a copy.
	SendFile(fd int, pos, n int64) error
}

// TailBytes is what WriteTail will write; it is known once the answer is encoded.
func (a *Answer) TailBytes() int {
	if a.cuts == nil {
		return 0
	}
	return len(a.body) + a.Bytes
}

// WriteTail writes body and records in turn. check is asked once more before the last
// bytes; nil: it is not. If it returns an error the answer is never completed.
func (a *Answer) WriteTail(c Sink, check func() error) error {
	at := 0
	for _, cut := range a.cuts {
		if _, err := c.Write(a.body[at:cut.at]); err != nil {
			return err
		}
		at = cut.at
		for _, r := range cut.part.Records {
			if err := send(c, r); err != nil {
				if isCorrupt(err) {
					cut.part.Source.NoteDamage(err)
				}
				return fmt.Errorf("send records: %w", err)
			}
		}
	}
	if check != nil {
		if err := check(); err != nil {
			return err
		}
	}
	_, err := c.Write(a.body[at:])
	return err
}

// cut is a place in the body where a partition's records belong.
type cut struct {
	at   int
	part *Part
}

// send sends records. The bytes go from the file to the socket without a copy;
// those that this process neither wrote nor checked before are checked first. No
// client that is slow to read holds memory of its answer.
func send(c Sink, r Records) error {
	fd, pos, n, verified := r.File()
	if fd == vfs.InvalidFd || !c.SendsFiles() {
		return sendCopied(c, r)
	}
	if !verified {
		if err := r.Verify(); err != nil {
			return err
		}
	}
	return c.SendFile(int(fd), pos, n)
}

// sendCopied is for what has no descriptor to send from or to.
func sendCopied(c Sink, r Records) error {
	b, err := r.AppendTo(nil)
	if err != nil {
		return err
	}
	_, err = c.Write(b)
	return err
}

func isCorrupt(err error) bool {
	var ce *segment.CorruptError
	return errors.As(err, &ce)
}
