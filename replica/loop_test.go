package replica

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// proposeHere appends a record by a visit and returns where its answer comes.
func (b *bench) proposeHere() chan Result {
	c := completer{make(chan Result, 1)}
	b.ProposeHere(&Proposal{Batch: with(b.t, plain(), "v"), Acks: AcksAll, Done: c})
	return c.done
}

// TestALoneWritersAppendIsDoneWhenProposed: no other goroutine has a part in it.
func TestALoneWritersAppendIsDoneWhenProposed(t *testing.T) {
	b := open(t, vfs.NewMem())
	for i := range 3 {
		b.loops.Wait()
		select {
		case r := <-b.proposeHere():
			want(t, "an append", r, nil, i)
		default:
			t.Fatalf("append %d was left to another goroutine", i)
		}
	}
}

// proposesAnother is a Completer whose client sends its next batch at once.
type proposesAnother struct {
	b    *bench
	next *Proposal
}

func (c proposesAnother) Completed(*Proposal) { c.b.ProposeHere(c.next) }

// TestWhatComesDuringAVisitIsLeftToALoop, even from the visitor itself.
func TestWhatComesDuringAVisitIsLeftToALoop(t *testing.T) {
	b := open(t, vfs.NewMem())
	b.loops.Wait()
	c := completer{make(chan Result)}
	second := &Proposal{Batch: with(t, plain(), "second"), Acks: AcksAll, Done: c}
	b.ProposeHere(&Proposal{Batch: with(t, plain(), "first"), Acks: AcksAll, Done: proposesAnother{b, second}})
	want(t, "the second", <-c.done, nil, 1) // nobody receives while the visit lasts
}

// TestVisitorsAndLoopsTakeTurns: whoever runs the loop, every batch is judged
// once and the log has no hole.
func TestVisitorsAndLoopsTakeTurns(t *testing.T) {
	const writers, each = 8, 200
	b := open(t, vfs.NewMem())
	var wg sync.WaitGroup
	offsets := make([][]int, writers)
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				propose := b.ProposeHere
				if (w+i)%4 == 0 {
					propose = b.Propose
				}
				if i%50 == 0 {
					b.runLater(func() {})
					b.queryInLoop(func() {})
				}
				c := completer{make(chan Result, 1)}
				propose(&Proposal{Batch: with(t, plain(), "v"), Acks: AcksAll, Done: c})
				r := <-c.done
				if r.Err != nil {
					t.Error(r.Err)
				}
				offsets[w] = append(offsets[w], int(r.Base))
			}
		})
	}
	wg.Wait()
	all := slices.Sorted(slices.Values(slices.Concat(offsets...)))
	for i, o := range all {
		if o != i {
			t.Fatalf("append %d of %d has offset %d", i, len(all), o)
		}
	}
	if hw := b.HighWatermark(); hw != writers*each {
		t.Errorf("the high watermark is %d", hw)
	}
}

// panics is a Completer with a bug.
type panics struct{}

func (panics) Completed(*Proposal) { panic("planted") }

// TestAPanicInAVisitEndsTheProcess, although the visitor would recover from one
// of its own: nobody knows how far the turn had come.
func TestAPanicInAVisitEndsTheProcess(t *testing.T) {
	const child = "LOCKSTEP_TEST_PANIC_IN_A_VISIT"
	if os.Getenv(child) != "" {
		defer func() { _ = recover() }()
		b := open(t, vfs.NewMem())
		b.loops.Wait()
		b.ProposeHere(&Proposal{Batch: with(t, plain(), "v"), Acks: AcksAll, Done: panics{}})
		t.Fatal("the visitor went on")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=10s")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "panic: planted") || !strings.Contains(string(out), "loop_test.go") {
		t.Errorf("the process ended with %v and said:\n%s", err, out)
	}
}
