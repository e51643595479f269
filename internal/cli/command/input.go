package command

import (
	"context"
	"io"
)

// Interruptible reads from r until ctx ends, though r may stay silent: a terminal
// knows no deadline. What is behind it is left in its read; the process ends.
func Interruptible(ctx context.Context, r io.Reader) io.Reader {
	in := &interruptibleReader{ctx: ctx, chunks: make(chan chunk)}
	go in.pump(r)
	return in
}

type interruptibleReader struct {
	ctx    context.Context
	chunks chan chunk // closed behind the last
	now    chunk      // what of the newest is not read yet
}

type chunk struct {
	bytes []byte
	err   error // behind the bytes
}

const chunkBytes = 64 << 10

func (in *interruptibleReader) pump(r io.Reader) {
	for {
		c := chunk{bytes: make([]byte, chunkBytes)}
		n, err := r.Read(c.bytes)
		c.bytes, c.err = c.bytes[:n], err
		select {
		case in.chunks <- c:
		case <-in.ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

func (in *interruptibleReader) Read(p []byte) (int, error) {
	if in.ctx.Err() != nil {
		return 0, in.ctx.Err()
	}
	for len(in.now.bytes) == 0 {
		if in.now.err != nil {
			return 0, in.now.err
		}
		select {
		case in.now = <-in.chunks:
		case <-in.ctx.Done():
			return 0, in.ctx.Err()
		}
	}
	n := copy(p, in.now.bytes)
	in.now.bytes = in.now.bytes[n:]
	return n, nil
}
