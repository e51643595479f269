package sim

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// mailbox is what waits for a broker's machine, as in a Partition: notes are told
// while a sync runs beside, tasks and proposals wait for its end, and all wait
// while the machine waits for the outcome of an effect.
type mailbox struct {
	notes     []replica.Event
	tasks     []replica.Event
	proposals []*replica.Proposal

	draining bool // somebody is at work on it
	writing  bool // an effect is under way
	closed   bool // nothing is proposed any more
	group    bool // the step at hand proposes
}

func (b *broker) note(e replica.Event) {
	b.mailbox.notes = append(b.mailbox.notes, e)
	b.drain()
}

func (b *broker) task(e replica.Event) {
	b.mailbox.tasks = append(b.mailbox.tasks, e)
	b.drain()
}

func (b *broker) propose(q *replica.Proposal) {
	q.StartTimeout(b.nowMs())
	b.mailbox.proposals = append(b.mailbox.proposals, q)
	b.drain()
}

// drain does all that may be done now.
func (b *broker) drain() {
	if b.mailbox.draining {
		return
	}
	b.mailbox.draining = true
	incarnation := b.incarnation
	for b.incarnation == incarnation && b.machine != nil && !b.mailbox.writing {
		m := &b.mailbox
		switch {
		case len(m.notes) > 0:
			e := m.notes[0]
			m.notes = m.notes[1:]
			b.step(e)
		case len(m.tasks) > 0 && (b.machine.AcceptsTasks() || b.planted.runsDuringSync(m.tasks[0])):
			e := m.tasks[0]
			m.tasks = m.tasks[1:]
			b.step(e)
		case len(m.proposals) > 0 && b.machine.AcceptsProposals():
			group := m.proposals
			m.proposals, m.group = nil, true
			b.w.mark(len(group) > 1, "several batches in one group")
			b.step(&replica.Propose{Proposals: group})
			b.mailbox.group = false
		default:
			m.draining = false
			return
		}
	}
	if b.incarnation == incarnation {
		b.mailbox.draining = false
	}
}

// step tells the machine one event and does what it asks for.
func (b *broker) step(e replica.Event) {
	b.machine.Step(e)
	b.performEffects()
}

// performEffects does effects until there is none, or until one takes its time.
func (b *broker) performEffects() {
	for b.machine != nil && !b.mailbox.writing {
		f, ok := b.machine.NextEffect()
		if !ok {
			return
		}
		if b.w.logf != nil {
			b.w.trace("%d: %s", b.id, describe(b, f))
		}
		if b.w.powerFails() { // between any two effects the power may go
			b.crash()
			return
		}
		if !f.Awaited() {
			b.perform(f)
			continue
		}
		if f.Kind == replica.EffectSync {
			b.mailbox.writing = true
			b.sync(func() {
				b.mailbox.writing = false
				b.step(&replica.Done{})
				b.drain()
			})
			return
		}
		b.machine.Step(&replica.Done{Err: b.write(f)})
	}
}

// write does the effects that are done at once.
func (b *broker) write(f *replica.Effect) error {
	switch f.Kind {
	case replica.EffectAppend:
		b.cutAt = protocol.None
		for _, batch := range f.Batches {
			b.disk.append(batch)
		}
	case replica.EffectTruncate:
		b.truncate(f.Offset)
		b.w.checker.checkCompacted(b)
	case replica.EffectCheckpoint:
		b.disk.addCheckpoint(f.Name, f.Offset, f.Data)
		b.w.mark(true, "checkpoint written")
	case replica.EffectAdopt:
		return b.adopt()
	case replica.EffectSetStart, replica.EffectRetain, replica.EffectSyncBase, replica.EffectWaitBase:
		return errors.New("the simulator has no retention")
	}
	return nil
}

// perform does what nobody waits for.
func (b *broker) perform(f *replica.Effect) {
	switch f.Kind {
	case replica.EffectSyncBeside:
		end := b.disk.End()
		b.sync(func() { b.note(replica.Synced{End: end}) })
	case replica.EffectReply:
		for _, q := range slices.Clone(f.Proposals) {
			q.Done.Completed(q)
		}
	case replica.EffectFailQueued:
		b.failQueued(f.Err)
	case replica.EffectFetchReply:
		f.Done(f.Answer)
	case replica.EffectConfirmed:
		f.Confirmed(f.Epoch, f.Err)
	case replica.EffectFetch:
		b.sendFetch(f.Fetch)
	case replica.EffectAlterISR:
		b.alterISR(f.ISR)
	case replica.EffectResign:
		b.resign()
	case replica.EffectMoved:
		b.moved()
	case replica.EffectState:
		b.changeState(f.State)
	case replica.EffectReturn:
		if f.Call.Return != nil {
			f.Call.Return()
		}
	}
}

// sync makes all durable that is written, in its time, and then calls done,
// unless the broker crashes, or cuts its log, meanwhile.
func (b *broker) sync(done func()) {
	cuts, upTo := b.cuts, len(b.disk.batches)
	delay := 100 + b.w.rng.Int64N(b.w.o.SyncMax)
	if b.slowDisk {
		delay += b.w.rng.Int64N(200 * ms)
	}
	early := b.w.bugs.AckBeforeSync
	b.after(delay, func() {
		if b.cuts == cuts {
			b.disk.synced = max(b.disk.synced, upTo)
		}
		if !early {
			done()
		}
	})
	if early {
		b.after(1, done)
	}
}

func (b *broker) truncate(to protocol.Offset) {
	if to < b.disk.End() {
		b.w.mark(true, "truncated")
		b.w.mark(b.cutAt == b.disk.End(), "truncated twice in a row")
	}
	b.disk.truncate(to)
	b.cutAt = b.disk.End()
	b.cuts++
}

// changeState is what connections and the checker see of a new state.
func (b *broker) changeState(st *replica.State) {
	was := b.state
	b.state = st
	if was != nil && was.Role == st.Role && was.Epoch == st.Epoch {
		return
	}
	if st.Role == replica.RoleLeader {
		b.planted.leads()
		b.w.checker.elected(b)
		return
	}
	if errors.Is(st.Err, replica.ErrCommittedLost) {
		b.w.fail("I13", "broker %d: %v", b.id, st.Err)
	}
	b.w.mark(errors.Is(st.Err, errDamaged), "corrupt batch found")
	for _, p := range b.parked {
		p.reply(b.core().Answer(p.f), nil)
	}
	b.parked = nil
}

// failQueued answers what waits to be proposed.
func (b *broker) failQueued(err error) {
	all := b.mailbox.proposals
	b.mailbox.proposals = nil
	for _, q := range all {
		b.machine.FailProposal(q, err)
		q.Done.Completed(q)
	}
}

// expireQueued answers what has waited for long enough to be proposed.
func (b *broker) expireQueued() {
	b.mailbox.proposals = slices.DeleteFunc(b.mailbox.proposals, func(q *replica.Proposal) bool {
		late := q.Expired(b.nowMs())
		if late {
			b.machine.FailProposal(q, replica.ErrTimeout)
			q.Done.Completed(q)
		}
		return late
	})
}

// errDamaged: a batch does not read as it was written.
var errDamaged = errors.New("a batch is damaged")

func (b *broker) reportDamage() { b.note(replica.Damaged{Err: errDamaged}) }

func describe(b *broker, f *replica.Effect) string {
	switch f.Kind {
	case replica.EffectState:
		return fmt.Sprintf("%v in epoch %d, log end %d, high watermark %d", f.State.Role, f.State.Epoch, b.disk.End(), b.machine.HighWatermark())
	case replica.EffectMoved:
		return fmt.Sprintf("high watermark %d, log end %d, ISR %v, followers %v", b.machine.HighWatermark(), b.disk.End(), b.core().PartitionState().ISR, b.core().Followers())
	case replica.EffectFetch:
		return fmt.Sprintf("fetches %+v", f.Fetch)
	case replica.EffectAlterISR:
		return fmt.Sprintf("asks for ISR %+v", f.ISR)
	case replica.EffectTruncate:
		return fmt.Sprintf("truncates to %d", f.Offset)
	case replica.EffectAppend:
		return fmt.Sprintf("appends %d batches at %d", len(f.Batches), b.disk.End())
	case replica.EffectCheckpoint:
		return fmt.Sprintf("saves %s at %d", f.Name, f.Offset)
	}
	return fmt.Sprintf("effect %d", f.Kind)
}
