package work

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/test/chaos/check"
)

// RegisterLock is the one lock on each partition of Register.
const RegisterLock = "r"

// registrar writes one lock by compare-and-set, from what it was last told of
// it, and never reads.
type registrar struct {
	caller
	at    check.Place
	rng   *rand.Rand
	basis int64
}

// addRegistrars makes those of every partition; each has a client of its own, so
// that nothing but the broker puts their appends in an order.
func (w *Workload) addRegistrars() error {
	for i := range registrars {
		c, err := w.appender()
		if err != nil {
			return err
		}
		for p := range w.options.Partitions {
			w.writers = append(w.writers, &registrar{
				caller: caller{name: fmt.Sprintf("registrar-%d%c", p, 'a'+i), c: c, history: w.history},
				at:     check.Place{Topic: Register, Partition: p}, basis: client.None,
				rng: rand.New(rand.NewPCG(w.options.Seed, uint64(1000+int(p)*10+i))),
			})
		}
	}
	return nil
}

// run writes until the round ends, or until it has done its share of what
// porcupine can judge.
func (r *registrar) run(ctx, abort context.Context) {
	for range check.WindowMax / registrars {
		if ctx.Err() != nil {
			return
		}
		r.write(abort)
		pause(ctx, time.Duration(r.rng.Int64N(int64(2*registrarPause))))
	}
}

func (r *registrar) write(abort context.Context) {
	id := r.next()
	cond := client.Cond{ID: id, Basis: r.basis, Locks: []client.Lock{client.Write(RegisterLock)}}
	if r.rng.IntN(3) == 0 {
		cond.ID = ""
	}
	a := r.append(abort, r.at, cond, []*kgo.Record{{Value: []byte(id)}})
	switch {
	case a.Outcome == check.Acked:
		r.basis = a.Offset
	case a.Outcome == check.Refused && r.rng.IntN(3) > 0: // at times it insists
		r.basis = a.Cited.Last
	}
}
