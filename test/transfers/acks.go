package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/lockstep-log/lockstep/test/transfers/ledger"
)

// ackFile notes acknowledgements, 20 bytes each: id, partition, offset. They are
// handed to the system every few milliseconds; those of a teller that is killed
// before are not known, and nobody misses them.
type ackFile struct {
	mu struct {
		sync.Mutex
		noted []byte
	}
	file  *os.File
	spare []byte // of the goroutine that flushes
}

const (
	ackSize    = 20
	flushEvery = 5 * time.Millisecond
)

func openAckFile(path string) (*ackFile, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	return &ackFile{file: f}, err
}

func (a *ackFile) add(ack ledger.Ack) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := binary.BigEndian.AppendUint64(a.mu.noted, uint64(ack.ID))
	b = binary.BigEndian.AppendUint32(b, uint32(ack.Partition))
	a.mu.noted = binary.BigEndian.AppendUint64(b, uint64(ack.Offset))
}

func (a *ackFile) flush() error {
	a.mu.Lock()
	noted := a.mu.noted
	a.mu.noted = a.spare[:0]
	a.mu.Unlock()
	a.spare = noted
	_, err := a.file.Write(noted)
	return err
}

func (a *ackFile) flushOften(ctx context.Context, stop func(error)) {
	for pause(ctx, flushEvery) {
		if err := a.flush(); err != nil {
			stop(err)
			return
		}
	}
}

func (a *ackFile) close() error { return errors.Join(a.flush(), a.file.Close()) }

// readAcks calls hear for each acknowledgement of a file. The last may be cut,
// by a kill.
func readAcks(path string, hear func(ledger.Ack)) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // the teller was killed before it began
	}
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	var b [ackSize]byte
	for {
		_, err := io.ReadFull(r, b[:])
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return err
		}
		hear(ledger.Ack{
			ID:        ledger.ID(binary.BigEndian.Uint64(b[:])),
			Partition: int32(binary.BigEndian.Uint32(b[8:])),
			Offset:    int64(binary.BigEndian.Uint64(b[12:])),
		})
	}
}
