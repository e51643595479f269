package replica

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
)

// TestCopiesAreWrittenAsTheyComeAndMark: no lock, basis or id of theirs is
// judged, sequences are, and what the topic judges afterwards sees their marks, be
// it before or after a restart that folds the log anew.
func TestCopiesAreWrittenAsTheyComeAndMark(t *testing.T) {
	fs := vfs.NewMem()
	b := open(t, fs)
	r, refusal := b.carry(with(t, plain(), "a; lock-write=x; lock-basis=4711; lock-id=one"))
	want(t, "a copy", r, refusal, 0)
	r, refusal = b.carry(with(t, plain(), "a again; lock-write=x y; lock-id=one"))
	want(t, "a copy of it that says other things", r, refusal, 1)
	r, refusal = b.carry(with(t, idempotent(0), "s; lock-write=z"))
	want(t, "a copy with a sequence", r, refusal, 2)
	r, refusal = b.carry(with(t, idempotent(0), "s; lock-write=z"))
	want(t, "its retry", r, refusal, 2)
	if r, _ = b.carry(with(t, idempotent(5), "s; lock-write=z")); r.Err == nil {
		t.Errorf("a gap in sequences is taken: %+v", r)
	}
	for range 2 {
		r, refusal = b.propose(with(t, plain(), "late; lock-write=y; lock-basis=0"))
		if refusal == nil || refusal.Last != protocol.Offset(1) || refusal.By != "one" {
			t.Errorf("a request behind the copies gets %+v, %v", r, refusal)
		}
		r, refusal = b.propose(with(t, plain(), "a; lock-write=x; lock-basis=2; lock-id=one"))
		want(t, "an id that was carried twice", r, refusal, 0)
		b.close()
		if err := fs.RemoveAll("base"); err != nil {
			t.Fatal(err)
		}
		b = open(t, fs)
	}
	r, refusal = b.propose(with(t, plain(), "in time; lock-write=x y z; lock-basis=2"))
	want(t, "a request that has read the copies", r, refusal, 3)
}
