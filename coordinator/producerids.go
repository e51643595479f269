package coordinator

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/protocol"
)

// maxProducerIDBlock bounds one allocation, so that no caller can use them up.
const maxProducerIDBlock = 1 << 20

// allocateTimeout bounds one allocation: a producer waits for it.
const allocateTimeout = 5 * time.Second

// AllocateProducerIDs takes n producer ids that nobody was given before, and
// returns the first. If its outcome is not known they are lost, never given again.
func (c *Cluster) AllocateProducerIDs(ctx context.Context, n int64) (protocol.ProducerID, error) {
	if n <= 0 || n > maxProducerIDBlock {
		return 0, fmt.Errorf("%w: %d producer ids; from 1 to %d can be taken", refusal.ErrInvalidRequest, n,
			maxProducerIDBlock)
	}
	ctx, cancel := context.WithTimeout(ctx, allocateTimeout)
	defer cancel()
	for {
		var first protocol.ProducerID
		var ok bool
		err := c.insist(ctx, func(ctx context.Context) (err error) {
			first, ok, err = c.takeProducerIDs(ctx, n)
			return err
		})
		if err != nil {
			return 0, err
		}
		if ok {
			return first, nil
		}
	}
}

// takeProducerIDs is one try; somebody else may be faster.
func (c *Cluster) takeProducerIDs(ctx context.Context, n int64) (first protocol.ProducerID, ok bool, err error) {
	key := c.keys.ProducerIDs()
	kv, _, err := c.o.Store.Get(ctx, key)
	if err != nil {
		return 0, false, err
	}
	if first, err = nextProducerID(kv); err != nil {
		return 0, false, err
	}
	if int64(first) > math.MaxInt64-n {
		return 0, false, fmt.Errorf("producer ids are used up at %d", first)
	}
	next := store.Encode(store.ProducerIDsValue{Next: first + protocol.ProducerID(n)})
	ok, _, err = c.o.Store.Txn(ctx, []store.Compare{{Key: key, ModRevision: kv.ModRevision}},
		[]store.Op{store.Put(key, next)})
	return first, ok, err
}

func nextProducerID(kv store.KeyValue) (protocol.ProducerID, error) {
	if kv.ModRevision == 0 {
		return 0, nil
	}
	v, err := store.Decode[store.ProducerIDsValue](kv)
	if err == nil && v.Next < 0 {
		err = fmt.Errorf("key %s: next id %d is below 0", kv.Key, v.Next)
	}
	return v.Next, err
}
