package dump

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// dumpedBatch is one batch of a segment. Problem says what is wrong with it,
// and then the fields hold what could still be read.
type dumpedBatch struct {
	Position      int64                  `json:"position" yaml:"position"`
	Size          int                    `json:"size" yaml:"size"`
	BaseOffset    protocol.Offset        `json:"base_offset" yaml:"base_offset"`
	LastOffset    protocol.Offset        `json:"last_offset" yaml:"last_offset"`
	Count         int32                  `json:"count" yaml:"count"`
	LeaderEpoch   protocol.LeaderEpoch   `json:"leader_epoch" yaml:"leader_epoch"`
	ProducerID    protocol.ProducerID    `json:"producer_id" yaml:"producer_id"`
	ProducerEpoch protocol.ProducerEpoch `json:"producer_epoch" yaml:"producer_epoch"`
	BaseSequence  protocol.Sequence      `json:"base_sequence" yaml:"base_sequence"`
	Codec         string                 `json:"codec" yaml:"codec"`
	Control       bool                   `json:"control,omitempty" yaml:"control,omitempty"`
	Transactional bool                   `json:"transactional,omitempty" yaml:"transactional,omitempty"`
	// commit or abort, of the marker that ends a transaction
	Marker string `json:"marker,omitempty" yaml:"marker,omitempty"`
	// lock headers were not judged
	Carried      bool           `json:"carried,omitempty" yaml:"carried,omitempty"`
	MaxTimestamp time.Time      `json:"max_timestamp" yaml:"max_timestamp"`
	Problem      string         `json:"problem,omitempty" yaml:"problem,omitempty"`
	Records      []dumpedRecord `json:"records,omitempty" yaml:"records,omitempty"`
}

type dumpedRecord struct {
	Offset    protocol.Offset         `json:"offset" yaml:"offset"`
	Timestamp time.Time               `json:"timestamp" yaml:"timestamp"`
	Key       *string                 `json:"key,omitempty" yaml:"key,omitempty"`
	KeyBase64 string                  `json:"key_base64,omitempty" yaml:"key_base64,omitempty"`
	ValueSize int                     `json:"value_size" yaml:"value_size"`
	Headers   []command.PrintedHeader `json:"headers,omitempty" yaml:"headers,omitempty"`
}

// segment prints every batch of a log file and fails at the first damage. The
// zeros that a preallocated segment ends in are reported and are no damage.
func (d *dumpCommand) segment(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriter(d.s.Out)
	damage := d.batches(bufio.NewReaderSize(f, 1<<20), out)
	return errors.Join(damage, out.Flush())
}

func (d *dumpCommand) batches(r *bufio.Reader, out *bufio.Writer) error {
	if d.format == command.FormatText {
		fmt.Fprintf(out, "%10s %8s %10s %10s %6s %5s %8s %6s %8s %-6s %s\n",
			"POSITION", "SIZE", "BASE", "LAST", "COUNT", "EPOCH", "PID", "PEPOCH", "SEQUENCE", "CODEC", "STATE")
	}
	var position int64
	for {
		raw, err := nextBatch(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, errZeros) {
			fmt.Fprintf(d.s.Err, "zeros from position %d on: room made in advance\n", position)
			return nil
		}
		if err != nil {
			return fmt.Errorf("position %d: %w", position, err)
		}
		b, _, err := record.View(raw)
		dumped := describeBatch(position, raw, b, err)
		if err == nil && b.Control() {
			dumped.Marker, err = markerOf(b)
		}
		if err == nil && d.records {
			dumped.Records, err = openRecords(b)
		}
		if perr := d.printBatch(out, dumped); perr != nil {
			return perr
		}
		if err != nil {
			return fmt.Errorf("position %d: %w", position, err)
		}
		position += int64(len(raw))
	}
}

var errZeros = errors.New("zeros")

const (
	batchPrefixSize = 12        // base offset and length
	batchSizeMax    = 256 << 20 // beyond any limit that a broker sets
)

// nextBatch cuts the next batch's bytes off a log. io.EOF is the end at the
// end of a batch; errZeros is a tail of nothing but zeros.
func nextBatch(r *bufio.Reader) ([]byte, error) {
	head, err := r.Peek(batchPrefixSize)
	if len(head) == 0 && errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if allZero(head) {
		return nil, restIsZero(r)
	}
	size, ok := record.PeekSize(head)
	if !ok || size > batchSizeMax {
		return nil, fmt.Errorf("%d bytes that begin no batch: % x", len(head), head)
	}
	raw := make([]byte, size)
	if n, err := io.ReadFull(r, raw); err != nil {
		return nil, fmt.Errorf("the file ends within a batch, %d bytes of %d", n, size)
	}
	return raw, nil
}

func restIsZero(r *bufio.Reader) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		if !allZero(buf[:n]) {
			return errors.New("bytes behind zeros: a hole in the log")
		}
		if errors.Is(err, io.EOF) {
			return errZeros
		}
		if err != nil {
			return err
		}
	}
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

func describeBatch(position int64, raw []byte, b record.Batch, problem error) dumpedBatch {
	if problem != nil {
		return dumpedBatch{Position: position, Size: len(raw), Problem: problem.Error()}
	}
	return dumpedBatch{
		Position: position, Size: len(raw),
		BaseOffset: b.BaseOffset(), LastOffset: b.LastOffset(), Count: b.Count(),
		LeaderEpoch: b.LeaderEpoch(), ProducerID: b.ProducerID(), ProducerEpoch: b.ProducerEpoch(),
		BaseSequence: b.BaseSequence(), Codec: b.Codec().String(),
		Control: b.Control(), Transactional: b.Transactional(), Carried: b.Carried(),
		MaxTimestamp: time.UnixMilli(b.MaxTimestamp()).UTC(),
	}
}

// markerOf says how a control batch ends its producer's transaction; "": it is no marker.
func markerOf(b record.Batch) (string, error) {
	records, err := b.Open(record.Limits{DecompressedBytesMax: 1 << 30})
	if err != nil {
		return "", err
	}
	defer records.Release()
	switch m, ok := records.Marker(); {
	case !ok:
		return "", nil
	case m.Commit:
		return "commit", nil
	}
	return "abort", nil
}

func openRecords(b record.Batch) ([]dumpedRecord, error) {
	records, err := b.Open(record.Limits{DecompressedBytesMax: 1 << 30})
	if err != nil {
		return nil, err
	}
	defer records.Release()
	var dumped []dumpedRecord
	w := records.Walk()
	for w.Next() {
		r := dumpedRecord{
			Offset:    b.BaseOffset() + protocol.Offset(w.OffsetDelta),
			Timestamp: time.UnixMilli(b.FirstTimestamp() + w.TimestampDelta).UTC(),
			ValueSize: len(w.Value),
		}
		r.Key, r.KeyBase64 = command.TextOrBase64(w.Key)
		headers := w.Headers()
		for k, v, ok := headers.Next(); ok; k, v, ok = headers.Next() {
			h := command.PrintedHeader{Key: string(k)}
			h.Value, h.ValueBase64 = command.TextOrBase64(v)
			r.Headers = append(r.Headers, h)
		}
		dumped = append(dumped, r)
	}
	return dumped, nil
}

func (d *dumpCommand) printBatch(out *bufio.Writer, b dumpedBatch) error {
	if d.format != command.FormatText {
		return d.format.Encode(out, b)
	}
	fmt.Fprintf(out, "%10d %8d %10d %10d %6d %5d %8d %6d %8d %-6s %s\n",
		b.Position, b.Size, b.BaseOffset, b.LastOffset, b.Count, b.LeaderEpoch,
		b.ProducerID, b.ProducerEpoch, b.BaseSequence, b.Codec, b.state())
	for _, r := range b.Records {
		fmt.Fprintf(out, "%10s offset=%d time=%s key=%s value=%dB", "", r.Offset, r.Timestamp.Format(time.RFC3339Nano),
			protocol.Printable(orNull(r.Key, r.KeyBase64)), r.ValueSize)
		for _, h := range r.Headers {
			fmt.Fprintf(out, " %s=%s", protocol.Printable(h.Key), protocol.Printable(orNull(h.Value, h.ValueBase64)))
		}
		fmt.Fprintln(out)
	}
	return nil
}

// state is what is particular about a batch, in a word or more.
func (b dumpedBatch) state() string {
	switch {
	case b.Problem != "":
		return b.Problem
	case b.Marker != "":
		return b.Marker + " marker"
	case b.Control:
		return "control"
	case b.Transactional:
		return "ok, transactional"
	case b.Carried:
		return "ok, carried"
	}
	return "ok"
}

func orNull(text *string, base64 string) string {
	switch {
	case base64 != "":
		return "base64:" + base64
	case text == nil:
		return "null"
	}
	return fmt.Sprintf("%q", *text)
}
