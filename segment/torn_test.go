package segment

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// The goal: whatever sectors of an unsynced group a disk did not write, and
// wherever the file ends, the log opens with all that was synced. Method:
// random batches, some of zeros, and random sectors of the last group lost.
func TestAnySectorsOfTheUnsyncedTailMayBeLost(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	rounds := 5_000
	if testing.Short() {
		rounds = 500
	}
	for round := range rounds {
		fs := vfs.NewMem()
		l := open(t, fs, Config{})
		appendRandom(t, l, rng, 1+rng.IntN(3))
		if rng.IntN(2) == 0 {
			must(t, l.Checkpoint())
		}
		appendRandom(t, l, rng, rng.IntN(3))
		must(t, l.Sync())
		synced, want := l.w.written, l.End()
		appendRandom(t, l, rng, 1+rng.IntN(4))
		all, err := contents(l)
		must(t, err)
		image := imageOf(t, fs)
		_ = l.w.closeFiles()

		name := logName(at(0))
		image = image.with(name, loseSectors(image[name], int(synced), rng))
		again, err := Open(image.mount(t), "/log", Config{})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		got, err := contents(again)
		must(t, err)
		if again.End() < want || !bytes.HasPrefix(all, got) || len(got) < int(synced) {
			t.Fatalf("round %d: %d bytes up to offset %d, synced were %d up to %d", round, len(got), again.End(), synced, want)
		}
		must(t, again.Close())
	}
}

func appendRandom(t *testing.T, l *Log, rng *rand.Rand, n int) {
	t.Helper()
	var group []record.Batch
	at := l.End()
	for range n {
		value := bytes.Repeat([]byte{[]byte{0, 'x'}[rng.IntN(2)]}, rng.IntN([]int{30, 600, 3000}[rng.IntN(3)]))
		b := batch(t, batchSpec{base: at, times: make([]int64, 1+rng.IntN(400)/100), value: value})
		group = append(group, b)
		at = b.NextOffset()
	}
	must(t, l.Append(0, group...))
}

// loseSectors is the file with sectors behind synced as they were before: zeros.
func loseSectors(file []byte, synced int, rng *rand.Rand) []byte {
	b := bytes.Clone(file)
	if rng.IntN(2) == 0 { // zeros were written ahead
		b = append(b, make([]byte, rng.IntN(5000))...)
	}
	lost := rng.IntN(100)
	for at := synced / sectorSize * sectorSize; at < len(b); at += sectorSize {
		if rng.IntN(100) < lost {
			clear(b[max(at, synced):min(at+sectorSize, len(b))])
		}
	}
	if rng.IntN(3) == 0 { // and the size did not get that far
		b = b[:synced+rng.IntN(len(b)-synced+1)]
	}
	return b
}

// The goal: batches behind a torn one, whole but never acknowledged, do not
// come back once other batches were written before them. Method: the same size
// again, so that they would fit.
func TestWhatLiesBehindATornBatchDoesNotComeBack(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, fs, Config{})
	lost, stale := records(t, 0, 1, 2000), records(t, 1, 1, 2000)
	must(t, l.Append(0, lost, stale))
	_ = l.w.closeFiles()
	image := imageOf(t, fs)
	torn := bytes.Clone(image[logName(at(0))])
	clear(torn[512:1024])
	fs = image.with(logName(at(0)), torn).mount(t)

	l = open(t, fs, Config{})
	if l.End() != 0 || l.Recovery().TruncatedBytes == 0 {
		t.Fatalf("end %d, %+v", l.End(), l.Recovery())
	}
	must(t, l.Append(0, lost))
	must(t, l.Sync())
	_ = l.w.closeFiles()
	l = open(t, fs, Config{})
	if l.End() != 1 {
		t.Fatalf("end %d", l.End())
	}
	must(t, l.Close())
}

// The goal: what a process shows after another was killed is on disk, for its
// readers may act on it. Method: kill, open, cut the power.
func TestWhatRecoveryShowsIsDurable(t *testing.T) {
	fs := vfs.NewCrashableMem()
	must(t, fs.MkdirAll("/", 0o755))
	l := open(t, fs, Config{})
	must(t, l.Append(0, records(t, 0, 3, 100)))
	_ = l.w.closeFiles()
	l = open(t, fs, Config{})
	shown := l.End()
	fs = fs.CrashClone(vfs.CrashCloneCfg{})
	l = open(t, fs, Config{})
	if shown != 3 || l.End() != shown {
		t.Fatalf("showed an end of %d, now it is %d", shown, l.End())
	}
	must(t, l.Close())
}

// The goal: a leader epoch whose first batch was lost is forgotten. A follower
// may then be given older batches at the same offset.
func TestEpochWhoseOnlyBatchWasLostIsForgotten(t *testing.T) {
	fs := vfs.NewCrashableMem()
	must(t, fs.MkdirAll("/", 0o755))
	l := open(t, fs, Config{})
	write := func(base protocol.Offset, epoch protocol.LeaderEpoch) {
		t.Helper()
		must(t, l.Append(0, batch(t, batchSpec{base: base, epoch: epoch, times: []int64{1}})))
	}
	crash := func(wantEnd protocol.Offset, wantEpoch protocol.LeaderEpoch) {
		t.Helper()
		_ = l.w.closeFiles()
		fs = fs.CrashClone(vfs.CrashCloneCfg{})
		l = open(t, fs, Config{})
		if l.End() != wantEnd || l.LatestEpoch() != wantEpoch {
			t.Fatalf("end %d, epoch %d", l.End(), l.LatestEpoch())
		}
	}
	write(0, 3)
	must(t, l.Sync())
	write(1, 5)
	crash(1, 3)
	write(1, 3)
	must(t, l.Sync())
	crash(2, 3)
	must(t, l.Close())
}
