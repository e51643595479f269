package work

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/test/chaos/check"
)

// producer is a stock idempotent franz-go producer that numbers its records,
// several batches in flight. It never gives up on a record.
type producer struct {
	name    string
	at      check.Place
	cl      *kgo.Client
	history *history
	seed    uint64
	sent    int
}

// ballast makes segments roll every few seconds; it does not compress.
var ballast = func() (b [2048]byte) {
	rng := rand.New(rand.NewPCG(0, 0))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}()

func (p *producer) run(ctx, abort context.Context) {
	rng := rand.New(rand.NewPCG(p.seed, uint64(p.sent)))
	for ctx.Err() == nil {
		for range 1 + rng.IntN(burstMax) {
			p.produce(abort)
		}
		pause(ctx, time.Duration(rng.Int64N(int64(2*producerPause))))
	}
	_ = p.cl.Flush(abort) // each record tells its own outcome
}

// produce waits while the client's buffer is full.
func (p *producer) produce(abort context.Context) {
	value := check.Numbered(p.name, p.sent)
	p.sent++
	a := check.Append{Writer: p.name, At: p.at, Values: []string{value}, Invoked: p.history.now()}
	p.cl.Produce(abort, &kgo.Record{Topic: p.at.Topic, Partition: p.at.Partition, Key: ballast[:], Value: []byte(value)}, func(r *kgo.Record, err error) {
		a.Returned = p.history.now()
		if err != nil {
			a.Said = err.Error()
			p.history.complain("%s: %v: a stock producer was told of %q: %v", p.name, p.at, value, err)
		} else {
			a.Outcome, a.Offset = check.Acked, r.Offset
		}
		p.history.add(a)
	})
}
