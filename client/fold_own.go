package client

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/protocol"
)

// own is what a fold knows of its own appends. One that lies right behind what
// is applied can be applied as it was sent: nobody else has written anything in
// between, and it is committed. Then there is nothing to read for the fold while
// it goes on like that; its feed rests.
type own struct {
	inFlight        int       // appends under way
	appliedDirectly bool      // the last one was applied so
	committed       time.Time // when
}

func (o *own) reading(lull time.Duration, now time.Time) reading {
	switch {
	case !o.appliedDirectly:
		return readOn
	case o.inFlight > 0:
		return reading{rest: lull}
	case now.Sub(o.committed) < lull:
		return reading{rest: lull - now.Sub(o.committed)}
	}
	return readOn
}

// withTimestamps gives records the time that they are sent with.
func withTimestamps(records []*kgo.Record) []*kgo.Record {
	now := time.UnixMilli(time.Now().UnixMilli())
	sent := make([]*kgo.Record, len(records))
	for i, r := range records {
		c := *r
		if c.Timestamp.IsZero() {
			c.Timestamp = now
		}
		sent[i] = &c
	}
	return sent
}

// noteOwnAppend notes an append that is in, and applies it if it can be.
func (f *Fold) noteOwnAppend(cond Cond, sent []*kgo.Record, r Result) {
	alone := f.appliesOwn && f.applyOwn(cond, sent, r)
	f.mu.Lock()
	f.mu.own.appliedDirectly, f.mu.own.committed = alone, time.Now()
	f.mu.Unlock()
}

// applyOwn reports whether it has applied an append. It does not if others read
// it with a time that the broker gave it. Nor does it wait for the feed: if that
// is at work, it has more to tell than this.
func (f *Fold) applyOwn(cond Cond, sent []*kgo.Record, r Result) bool {
	if r.Repeated || r.stamped || !f.applying.TryLock() {
		return false
	}
	defer f.applying.Unlock()
	if f.position().offset != r.Offset || f.ended() {
		return false
	}
	if _, err := f.applyUpTo(f.asRead(cond, sent, r.Offset), position{r.Last() + 1, r.epoch}); err != nil {
		f.end(err)
		f.feed.stop()
	}
	return true
}

func (f *Fold) ended() bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.mu.err != nil
}

// asRead makes of records what a reader makes of them, less what only the broker
// knows: the leader's epoch and the producer. Nothing of them is shared.
func (f *Fold) asRead(cond Cond, sent []*kgo.Record, offset int64) []*kgo.Record {
	read := make([]*kgo.Record, len(sent))
	for i, s := range sent {
		r := &kgo.Record{
			Key: slices.Clone(s.Key), Value: slices.Clone(s.Value), Timestamp: time.UnixMilli(s.Timestamp.UnixMilli()),
			Topic: f.feed.at.topic, Partition: f.feed.at.partition, Offset: offset + int64(i),
			LeaderEpoch: -1, ProducerID: -1, ProducerEpoch: -1,
		}
		for _, h := range s.Headers {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: slices.Clone(h.Value)})
		}
		if i == len(sent)-1 {
			Attach(r, cond.Basis, cond.Locks...)
		}
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: protocol.HeaderLockID, Value: []byte(cond.ID)})
		read[i] = r
	}
	return read
}
