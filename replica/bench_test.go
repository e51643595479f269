package replica

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// lone is a writer that waits for each answer and uses everything again.
type lone struct {
	q    Proposal
	done bool
}

func (l *lone) Completed(*Proposal) { l.done = true }

// BenchmarkAppend is what the partition itself costs of one small append by a
// writer that is alone: a turn of the loop, on a disk that costs little.
func BenchmarkAppend(b *testing.B) {
	for _, locks := range []bool{false, true} {
		b.Run(fmt.Sprintf("locks=%v", locks), func(b *testing.B) {
			p := open(b, vfs.NewMem())
			st := settings()
			st.FlushMessages = 1 << 40
			p.SetSettings(st)
			p.loops.Wait()
			text := "v"
			if locks {
				text = "v; lock-append=x"
			}
			batch := with(b, plain(), text)
			recs, err := batch.Open(record.Limits{})
			if err != nil {
				b.Fatal(err)
			}
			w := &lone{}
			b.ReportAllocs()
			for b.Loop() {
				w.done = false
				w.q = Proposal{Batch: batch, Acks: AcksAll, Done: w}
				if locks {
					w.q.Locks, _ = conflict.Prepare(batch, &recs, conflict.Optional)
				}
				p.ProposeHere(&w.q)
				if !w.done || w.q.Result.Err != nil {
					b.Fatal(w.q.Result)
				}
				w.q.Locks.Release()
			}
		})
	}
}

// BenchmarkGroup is a group of batches that came while the loop was busy, by batch.
func BenchmarkGroup(b *testing.B) {
	const size = 64
	p := open(b, vfs.NewMem())
	st := settings()
	st.FlushMessages = 1 << 40
	p.SetSettings(st)
	var batches [size]record.Batch
	var writers [size]lone
	for i := range batches {
		batches[i] = with(b, record.NewBuilder(record.CodecNone).Producer(protocol.ProducerID(i), 0, 0), "v")
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		hold, held := make(chan struct{}), make(chan struct{})
		p.runLater(func() { close(held); <-hold })
		<-held
		for i := range writers {
			w := &writers[i]
			w.q = Proposal{Batch: batches[i], Acks: AcksLeader, Done: w}
			w.q.Batch = with(b, plain(), "v")
			p.Propose(&w.q)
		}
		close(hold)
		p.loops.Wait()
	}
}
