package replica

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// each proposes batches together, so that they are one group unless the loop
// is quick, and tells the answers: base and what was left out.
func (b *bench) each(batches ...record.Batch) (answers []string) {
	b.t.Helper()
	var done []completer
	for _, batch := range batches {
		recs, err := batch.Open(record.Limits{})
		if err != nil {
			b.t.Fatal(err)
		}
		locks, refusal := conflict.Prepare(batch, &recs, conflict.Optional)
		recs.Release()
		if refusal != nil {
			b.t.Fatal(refusal)
		}
		c := completer{make(chan Result, 1)}
		b.Propose(&Proposal{Batch: batch, Locks: locks, Acks: AcksAll, Done: c, PerAppend: true})
		done = append(done, c)
	}
	for _, c := range done {
		answers = append(answers, told(<-c.done))
	}
	return answers
}

func told(r Result) string {
	if r.Err != nil {
		return "error: " + r.Err.Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "base %d", r.Base)
	for _, l := range r.Skipped {
		if l.Refusal == nil {
			fmt.Fprintf(&b, "; %d repeats %d", l.First, l.At)
			continue
		}
		head, _, _ := strings.Cut(l.Refusal.Message(), ": ")
		fmt.Fprintf(&b, "; %d %s", l.First, head)
	}
	return b.String()
}

// mixed is a batch of which the first append is admitted, the second refused
// because of it, the third stale and the last without locks.
func mixed(t *testing.T) record.Batch {
	return with(t, idempotent(1),
		"a; lock-write=y; lock-basis=0; lock-id=first",
		"b; lock-write=y; lock-basis=0",
		"c; lock-write=x; lock-basis=none",
		"d")
}

const mixedAnswer = "base 1; 1 CONFLICT lock=y last=1 basis=0 by=first record=1; 2 CONFLICT lock=x last=0 basis=none by=- record=2"

// TestInnocentsOfASharedBatchAreWritten plays the verdicts and their retries,
// before and after a restart that knows nothing but the log.
func TestInnocentsOfASharedBatchAreWritten(t *testing.T) {
	mem := vfs.NewCrashableMem()
	b := open(t, mem)
	step := func(what string, batch record.Batch, want string) {
		t.Helper()
		if got := b.each(batch)[0]; got != want {
			t.Errorf("%s:\n got %s\nwant %s", what, got, want)
		}
	}
	step("a first write", with(t, idempotent(0), "a; lock-write=x; lock-basis=none"), "base 0")
	step("two of four", mixed(t), mixedAnswer)
	step("their retry", mixed(t), mixedAnswer)
	step("nothing is left, and the sequence goes on", with(t, idempotent(5), "e; lock-write=x; lock-basis=none"),
		"base 5; 0 CONFLICT lock=x last=0 basis=none by=- record=0")
	step("the next one follows", with(t, idempotent(6), "f"), "base 6")
	step("a gap", with(t, idempotent(9), "g; lock-write=x; lock-basis=none"), "error: "+ErrOutOfOrderSequence.Error())
	step("a gap does not hide what is in the log", with(t, idempotent(9), "a; lock-write=y; lock-basis=0; lock-id=first"), "base -1; 0 repeats 1")
	step("without a producer nothing is written for nothing", with(t, plain(), "h; lock-write=x; lock-basis=none"),
		"base -1; 0 CONFLICT lock=x last=0 basis=none by=- record=0")
	if end := b.End(); end != 7 {
		t.Errorf("the log ends at %d", end)
	}

	b = open(t, mem.CrashClone(vfs.CrashCloneCfg{}))
	step("the retry after a crash", mixed(t), mixedAnswer)
	step("and of the empty one", with(t, idempotent(5), "e; lock-write=x; lock-basis=none"),
		"base 5; 0 CONFLICT lock=x last=0 basis=none by=- record=0")
	step("a later write changes the text and not the verdict", with(t, idempotent(7), "i; lock-write=x; lock-basis=6; lock-id=later"), "base 7")
	step("as here", mixed(t), strings.Replace(mixedAnswer, "lock=x last=0 basis=none by=-", "lock=x last=7 basis=none by=later", 1))
}

// TestARetryInTheSameGroupFindsTheVerdicts although the batch is not in the log yet.
func TestARetryInTheSameGroupFindsTheVerdicts(t *testing.T) {
	b := open(t, vfs.NewMem())
	b.each(with(t, idempotent(0), "a; lock-write=x; lock-basis=none"))
	held, release := make(chan struct{}), make(chan struct{})
	b.runLater(func() { close(held); <-release })
	<-held // the loop, until both wait
	retried := make(chan []string)
	go func() { retried <- b.each(mixed(t), mixed(t)) }()
	for b.waitingProposals() < 2 {
		runtime.Gosched()
	}
	close(release)
	for i, got := range <-retried {
		if got != mixedAnswer {
			t.Errorf("answer %d:\n got %s\nwant %s", i, got, mixedAnswer)
		}
	}
}

func (b *bench) waitingProposals() int {
	b.mailbox.Lock()
	defer b.mailbox.Unlock()
	return len(b.mailbox.proposals)
}

// TestARetryOfWhatWasDeletedIsNotGuessed: DeleteRecords has taken the only
// witness of what was written.
func TestARetryOfWhatWasDeletedIsNotGuessed(t *testing.T) {
	b := open(t, vfs.NewMem())
	b.each(with(t, idempotent(0), "a; lock-write=x; lock-basis=none"), mixed(t))
	if _, err := b.DeleteBefore(protocol.Offset(5)); err != nil {
		t.Fatal(err)
	}
	got := b.each(mixed(t))[0]
	if !strings.HasPrefix(got, "error: ") {
		t.Errorf("got %s", got)
	}
}
