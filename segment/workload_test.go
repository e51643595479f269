package segment

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// workload drives a log through everything that writes, and knows at any
// moment what must be there after a crash and what may be.
type workload struct {
	t     testing.TB
	log   *Log
	rng   *rand.Rand
	epoch protocol.LeaderEpoch
	may   []modelBatch // all that was appended and not cut off
	must  int          // so many of them were promised
	// The log start is between these two: an operation may be under way.
	startMin, startMax protocol.Offset
	// starved: what is refused with ErrNoDescriptor is tried once more.
	starved bool
}

func (w *workload) end() protocol.Offset {
	if len(w.may) == 0 {
		return 0
	}
	return w.may[len(w.may)-1].last + 1
}

// run opens the log in fs and does everything once or more; the first error
// ends it.
func (w *workload) run(fs vfs.FS) error {
	cfg := Config{SegmentBytes: 9000, IndexIntervalBytes: 300}
	var err error
	if w.log, err = Open(fs, "/log", cfg); err != nil {
		return err
	}
	steps := []func() error{
		w.sync, w.append, w.sync, w.append, w.append, w.sync, w.checkpoint, w.append, w.truncate,
		w.append, w.sync, w.append, w.retain, w.append, w.append, w.sync, w.setStart, w.append, w.truncate, w.append,
		w.fill, w.append, w.sync, w.close,
	}
	for i, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	if w.log, err = Open(fs, "/log", cfg); err != nil {
		return err
	}
	for i, step := range []func() error{w.append, w.sync, w.append, w.close} {
		if err := step(); err != nil {
			return fmt.Errorf("step %d after opening again: %w", i, err)
		}
	}
	return nil
}

func (w *workload) append() error {
	var group []record.Batch
	at := w.end()
	if w.rng.IntN(4) == 0 {
		w.epoch++
	}
	for range 1 + w.rng.IntN(4) {
		value := bytes.Repeat([]byte{[]byte{0, 'x', 'y'}[w.rng.IntN(3)]}, []int{0, 50, 600, 5000}[w.rng.IntN(4)])
		b := batch(w.t, batchSpec{base: at, epoch: w.epoch, times: make([]int64, 1+w.rng.IntN(3)), value: value})
		at = b.NextOffset()
		group = append(group, b)
		w.may = append(w.may, modelBatch{raw: bytes.Clone(b.Bytes()), base: b.BaseOffset(), last: b.LastOffset(), epoch: w.epoch})
	}
	err := w.log.Append(0, group...)
	if w.starved && errors.Is(err, ErrNoDescriptor) {
		err = w.log.Append(0, group...)
	}
	return err
}

func (w *workload) sync() error {
	err := w.log.Sync()
	if err == nil {
		w.must = len(w.may)
	}
	return err
}

// fill makes small synced groups, so that zeros are written ahead.
func (w *workload) fill() error {
	for range fillAfter + 3 {
		b := batch(w.t, batchSpec{base: w.end(), epoch: w.epoch, times: []int64{1}, value: []byte("small")})
		w.may = append(w.may, modelBatch{raw: bytes.Clone(b.Bytes()), base: b.BaseOffset(), last: b.LastOffset(), epoch: w.epoch})
		if err := w.log.Append(0, b); err != nil {
			return err
		}
		if err := w.sync(); err != nil {
			return err
		}
	}
	return nil
}

func (w *workload) checkpoint() error {
	if err := w.log.Checkpoint(); err != nil {
		return err
	}
	w.must = len(w.may)
	return w.log.WriteCheckpoint("fold", w.end(), []byte("state"))
}

func (w *workload) close() error {
	err := w.log.Close()
	if err == nil {
		w.must = len(w.may)
	}
	return err
}

func (w *workload) truncate() error {
	to := w.end() - 6
	keep := len(w.may)
	for keep > 0 && w.may[keep-1].last >= to {
		keep--
	}
	w.must = min(w.must, keep)
	err := w.log.Truncate(to)
	if err == nil {
		w.may, w.must = w.may[:keep], keep
	}
	return err
}

func (w *workload) retain() error {
	cfg := w.log.w.cfg
	cfg.RetentionBytes = protocol.LimitOf(9000)
	w.log.SetConfig(cfg)
	w.startMax = w.end()
	start, err := w.log.Retain(0, w.end())
	if w.starved && errors.Is(err, ErrNoDescriptor) {
		start, err = w.log.Retain(0, w.end())
	}
	if err == nil {
		w.startMin, w.startMax = start, start
	}
	return err
}

func (w *workload) setStart() error {
	w.startMax += 4
	err := w.log.SetStart(w.startMax)
	if err == nil {
		w.startMin, w.must = w.startMax, len(w.may)
	}
	return err
}

// expectation is what the workload promised at one moment.
type expectation struct {
	may                []modelBatch
	must               int
	startMin, startMax protocol.Offset
}

func (w *workload) expectation() expectation {
	return expectation{may: w.may[:len(w.may):len(w.may)], must: w.must, startMin: w.startMin, startMax: w.startMax}
}

// check opens the log in fs and holds it against what was promised: all that
// was synced is there, nothing is that was not appended, and there is no hole.
func (e expectation) check(fs vfs.FS) error {
	l, err := Open(fs, "/log", Config{})
	if err != nil {
		return err
	}
	defer l.Close()
	if l.Start() < e.startMin || l.Start() > e.startMax {
		return fmt.Errorf("log starts at %d, not in %d to %d", l.Start(), e.startMin, e.startMax)
	}
	if at, _, ok := l.ReadCheckpoint("fold", everything); ok && at > l.End() {
		return fmt.Errorf("checkpoint at %d, beyond the end %d", at, l.End())
	}
	next := l.Start()
	err = l.Scan(l.Start(), everything, func(b record.Batch) error {
		for _, m := range e.may {
			if bytes.Equal(m.raw, b.Bytes()) {
				if m.base > next {
					return fmt.Errorf("hole from %d to %d", next, m.base)
				}
				next = m.last + 1
				return nil
			}
		}
		return fmt.Errorf("the batch at offset %d was never appended", b.BaseOffset())
	})
	if err != nil {
		return err
	}
	if l.End() != max(next, l.Start()) {
		return fmt.Errorf("log ends at %d, its batches at %d", l.End(), next)
	}
	if e.must > 0 && l.End() <= e.may[e.must-1].last {
		return fmt.Errorf("log ends at %d, synced up to %d", l.End(), e.may[e.must-1].last+1)
	}
	return nil
}
