package replica

import "github.com/lockstep-log/lockstep/protocol"

// Housekeep does what time asks for: flush.ms, expiry of silent producers,
// checkpoints. The broker calls it now and then for each partition, and then
// makes the lock base durable and calls Retain.
func (p *Partition) Housekeep() error {
	c := &Call{}
	p.call(Housekeep{c}, c)
	return c.Err
}

// Retain drops the segments that the topic's retention no longer keeps. It is
// called after the lock base was synced: a segment goes only when the lock
// table can do without it, whatever happens next.
func (p *Partition) Retain() error {
	c := &Call{}
	p.call(Retain{c}, c)
	return c.Err
}

// DeleteBefore moves the log start to the offset, or to the high watermark when
// it is -1, and returns the new start. Lock history is not touched by it.
func (p *Partition) DeleteBefore(o protocol.Offset) (start protocol.Offset, err error) {
	c := &Call{}
	if !p.call(DeleteBefore{o, c}, c) {
		return -1, ErrNotLeader
	}
	return c.Start, c.Err
}

// SetSettings takes the topic's new settings into force.
func (p *Partition) SetSettings(s Settings) { p.runInLoop(func() { p.step(Configure{s}) }) }

// ProducerStates lists the idempotent producers.
func (p *Partition) ProducerStates() (states []ProducerState, err error) {
	ran := p.runInLoop(func() {
		states = p.m.Producers().States()
		for i := range states {
			states[i].Transaction = p.m.Transactions().State(states[i].ID)
		}
	})
	if !ran {
		return nil, ErrNotLeader
	}
	return states, nil
}
