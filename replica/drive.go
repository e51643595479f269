package replica

import (
	"fmt"
	"time"

	"github.com/lockstep-log/lockstep/protocol"
)

// began is the zero of the cores' clock, which does not jump as the time of day may.
var began = time.Now()

func coreMs() int64 { return time.Since(began).Milliseconds() }

// fetchTimeoutMs is a backstop: the host answers every fetch.
const fetchTimeoutMs = 15_000

// Begin tells that the broker is registered in this epoch, see the event.
func (p *Partition) Begin(epoch protocol.BrokerEpoch) { p.enqueueTask(message{event: Begin{epoch}}) }

// ApplyMetadata takes in what the metadata shows of the partition.
func (p *Partition) ApplyMetadata(s protocol.PartitionState) { p.notify(Metadata{s}) }

// Tick lets time pass. It costs next to nothing where nothing waits for it.
func (p *Partition) Tick() {
	if p.needsTick.Load() {
		p.enqueueNote(message{do: func() {
			p.expireQueued()
			p.appendStalled = false // the next proposal tries again
			p.step(Tick{})
		}})
	}
}

// StepAside tells a leader that the metadata cannot be reached. If a produce has
// waited for longer than afterMs by then, the leader is most likely cut off from
// its followers as well, and another broker leads: it fails its pending produces
// with ErrNotLeader, so that their clients look for the new leader, and accepts no
// more until a follower is heard of again. That costs nothing if it leads after
// all, since it could commit nothing. With afterMs 0 no produce need be waiting.
func (p *Partition) StepAside(afterMs int64) {
	if afterMs > 0 && !p.needsTick.Load() || p.State().SteppedAside {
		return
	}
	p.notify(StepAside{afterMs})
}

// Fetched takes in a follower's fetch. done is called from the loop; the bytes
// that belong to the answer are the caller's to read, up to the log's end.
func (p *Partition) Fetched(f Fetch, done func(FetchAnswer)) {
	if !p.notify(FollowerFetch{f, done}) {
		done(notLeaderAnswer(f))
	}
}

// FetchAnswered hands over the leader's answer and the batches that came with
// it. The bytes must stay as they are until release is called, which may be nil.
func (p *Partition) FetchAnswered(a FetchAnswer, batches []byte, release func()) {
	queued := p.enqueueNote(message{do: func() {
		if a.Err == nil && len(batches) > 0 {
			if a.Err = p.stallsFollower(); a.Err != nil {
				batches = nil // the next fetch asks for them again
			}
		}
		p.step(LeaderAnswer{a, batches})
		if release != nil {
			release()
		}
	}})
	if !queued && release != nil {
		release()
	}
}

// stallsFollower is why what came from a leader cannot be appended just now, or nil.
func (p *Partition) stallsFollower() (err error) {
	if p.m.AcceptsTasks() {
		err = p.stallReason()
	}
	p.writeStalled.Store(err != nil)
	return err
}

// ISRAnswered tells the outcome of Host.AlterISR; done is false also when it is not known.
func (p *Partition) ISRAnswered(ch protocol.ISRChange, done bool) { p.notify(ISRAnswered{ch, done}) }

// Fail tells of damage that a reader found: the replica goes offline, for good.
func (p *Partition) Fail(err error) { p.notify(Damaged{err}) }

// step gives the machine one event and does all that it asks for. What readers
// see is published before anybody is notified of it.
func (p *Partition) step(e Event) {
	p.m.Step(e)
	published := false
	for f, ok := p.m.NextEffect(); ok; f, ok = p.m.NextEffect() {
		if f.Awaited() {
			p.done.Err = p.write(f)
			p.m.Step(&p.done)
			published = false
			continue
		}
		if !published {
			p.publish()
			published = true
		}
		p.perform(f)
	}
	if !published {
		p.publish()
	}
}

// publish shows readers what the machine says.
func (p *Partition) publish() {
	m := p.m
	p.transactions.show(m.folds.transactions.table)
	if hw := int64(m.highWatermark); hw != p.highWatermark.Load() {
		p.highWatermark.Store(hw)
	}
	// Behind the high watermark, and behind the aborted transactions: who reads it
	// before them finds it below the one, and all that it covers among the others.
	if stable := int64(m.LastStable()); stable != p.lastStable.Load() {
		p.lastStable.Store(stable)
	}
	if n := int64(m.LockTable().Holds()); n != p.holds.Load() {
		p.holds.Store(n)
	}
	if m.round != p.round.Load() {
		p.round.Store(m.round)
	}
	if m.refused != p.refused.Load() {
		p.refused.Store(m.refused)
	}
	if restless := p.appendStalled || m.NeedsTick(); restless != p.needsTick.Load() {
		p.needsTick.Store(restless)
	}
	if m.failed != nil {
		p.failed.Store(true)
	}
}

// write does the effects that the machine waits for.
func (p *Partition) write(f *Effect) error {
	switch f.Kind {
	case EffectAppend:
		return p.log.Append(p.opts.NowMs(), f.Batches...)
	case EffectSync:
		return p.sync()
	case EffectTruncate:
		return p.log.Truncate(f.Offset)
	case EffectSetStart:
		return p.log.SetStart(f.Offset)
	case EffectCheckpoint:
		if err := p.log.WriteCheckpoint(f.Name, f.Offset, f.Data); err != nil {
			return fmt.Errorf("checkpoint of %s at %d: %w", f.Name, f.Offset, err)
		}
		return nil
	case EffectSyncBase:
		if err := p.opts.Base.Sync(); err != nil {
			return fmt.Errorf("sync the lock base: %w", err)
		}
		return nil
	case EffectWaitBase:
		return <-p.flushed
	case EffectRetain:
		_, err := p.log.Retain(p.opts.NowMs(), f.Offset)
		return err
	default: // EffectAdopt
		return p.log.Adopt(f.Call.Pass)
	}
}

// perform does the other effects.
func (p *Partition) perform(f *Effect) {
	switch f.Kind {
	case EffectSyncBeside:
		p.syncBeside()
	case EffectWriteBase:
		p.writeBase(f.Work)
	case EffectConfigureLog:
		p.log.SetConfig(p.m.settings.Log)
	case EffectReply:
		for _, q := range f.Proposals {
			q.Done.Completed(q)
		}
	case EffectFailQueued:
		p.failQueued(f.Err)
	case EffectFetchReply:
		f.Done(f.Answer)
	case EffectConfirmed:
		f.Confirmed(f.Epoch, f.Err)
	case EffectMoved:
		p.moved()
	case EffectState:
		p.publishState(f.State)
	case EffectReturn:
		if f.Call.Return != nil {
			f.Call.Return()
		}
	default:
		p.askHost(f)
	}
}

// askHost does the effects that are the host's.
func (p *Partition) askHost(f *Effect) {
	switch f.Kind {
	case EffectFetch:
		p.opts.Host.Fetch(p, p.m.core.Leader(), f.Fetch)
	case EffectStopFetch:
		p.opts.Host.StopFetch(p)
	case EffectAlterISR:
		p.opts.Host.AlterISR(p, f.ISR)
	case EffectResign:
		p.opts.Host.Resign(p)
	}
}

// publishState publishes the state.
func (p *Partition) publishState(st *State) {
	before := p.state.Load()
	p.state.Store(st)
	p.moved()
	if st.Role != before.Role || st.Epoch != before.Epoch {
		p.opts.Host.RoleChanged(p, st)
	}
}

func (p *Partition) sync() error {
	start := time.Now()
	err := p.log.Sync()
	if err == nil && p.opts.Synced != nil {
		p.opts.Synced(time.Since(start).Seconds())
	}
	return err
}

// syncBeside syncs all that was written, while the loop goes on without
// touching the log.
func (p *Partition) syncBeside() {
	end := p.log.End()
	p.loops.Add(1)
	go func() {
		defer p.loops.Done()
		err := p.sync()
		p.notify(Synced{end, err})
	}()
}

// writeBase does a base write beside. Its result is in the channel before its
// end is reported, for whoever cannot wait for that.
func (p *Partition) writeBase(work func() error) {
	p.loops.Add(1)
	go func() {
		defer p.loops.Done()
		p.flushed <- work()
		p.enqueueNote(message{do: p.baseWritten})
	}()
}

func (p *Partition) baseWritten() {
	select {
	case err := <-p.flushed:
		p.step(BaseWritten{err})
	default: // it was waited for
	}
}
