package segment

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/lockstep-log/lockstep/protocol"
)

// TestReadersThatKeepUpDoNotTouchTheFile, even where its disk reads no more.
func TestReadersThatKeepUpDoNotTouchTheFile(t *testing.T) {
	broken := false
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken && op.Kind.ReadOrWrite() == errorfs.OpIsRead {
			return errors.New("planted")
		}
		return nil
	}))
	l := open(t, fs, Config{})
	for base := range protocol.Offset(200) {
		b := records(t, base, 1, 100)
		must(t, l.Append(0, b))
		broken = true
		r, err := l.Read(base, base+1, 1, true)
		must(t, err)
		got, err := r.AppendTo(nil)
		if r.Close(); err != nil || !bytes.Equal(got, b.Bytes()) || r.NextOffset() != base+1 {
			t.Fatalf("offset %d: %d bytes up to %d, %v", base, len(got), r.NextOffset(), err)
		}
		broken = false
	}
	must(t, l.Close())
}

// TestMemoryShowsWhatTheFileDoes: any read that memory answers gives the batches that
// the file would have given, over gaps, segments, cuts and larger batches.
func TestMemoryShowsWhatTheFileDoes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	l := open(t, vfs.NewMem(), Config{SegmentBytes: 30_000})
	inMemory := 0
	for range 2000 {
		base := l.End()
		switch rng.IntN(50) {
		case 0:
			must(t, l.Truncate(max(l.Start(), base-protocol.Offset(rng.IntN(20)))))
		case 1:
			must(t, l.Append(0, records(t, base+3, 2, 10)))
		case 2:
			must(t, l.Append(0, records(t, base, 2, recentBatchMax)))
		default:
			must(t, l.Append(0, records(t, base, 1, 50), records(t, base+1, 3, 50)))
		}
		end := l.End()
		from, below := end-protocol.Offset(rng.IntN(60)), end-protocol.Offset(rng.IntN(4))
		most, least := rng.IntN(3000), rng.IntN(2) == 0
		if from < l.Start() || from >= below {
			continue
		}
		inMemory += sameInMemory(t, l, from, below, most, least)
	}
	if inMemory < 200 {
		t.Errorf("memory answered %d reads", inMemory)
	}
	must(t, l.Close())
}

func sameInMemory(t *testing.T, l *Log, from, below protocol.Offset, most int, least bool) int {
	t.Helper()
	r, err := l.Read(from, below, most, least)
	must(t, err)
	defer r.Close()
	if r.memory == nil {
		return 0
	}
	f, err := l.readFile(from, below, most, least)
	must(t, err)
	defer f.Close()
	a, err := r.AppendTo(nil)
	must(t, err)
	b, err := f.AppendTo(nil)
	must(t, err)
	if !bytes.Equal(a, b) || r.pos != f.pos || r.end != f.end || len(a) != r.Len() {
		t.Fatalf("[%d, %d) of %d bytes: memory has %d bytes at %d, the file %d at %d", from, below, most, len(a), r.pos, len(b), f.pos)
	}
	return 1
}

// TestMemoryIsTakenFromLogsThatFellIdle: of many logs only some have any, and
// the others read their files.
func TestMemoryIsTakenFromLogsThatFellIdle(t *testing.T) {
	fs := vfs.NewMem()
	files := NewFiles(fs, 16)
	var logs []*Log
	for i := range recentLogs + 10 {
		l, err := Open(fs, "/log"+string(rune('A'+i)), Config{Files: files})
		must(t, err)
		must(t, l.Append(0, records(t, 0, 1, 10)))
		logs = append(logs, l)
	}
	for i, l := range logs {
		r, err := l.Read(0, 1, 1000, true)
		must(t, err)
		if fromMemory := r.memory != nil; fromMemory != (i >= 10) {
			t.Errorf("log %d was read from memory: %v", i, fromMemory)
		}
		b, err := r.AppendTo(nil)
		if r.Close(); err != nil || len(b) == 0 {
			t.Errorf("log %d: %d bytes, %v", i, len(b), err)
		}
		must(t, l.Close())
	}
	must(t, files.Close())
}
