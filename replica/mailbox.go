package replica

import (
	"slices"
	"sync"
)

// mailbox is what waits for the loop, in three queues.
//
// Notes tell the core what has happened elsewhere and never touch the log, so
// that the loop reads them while a sync is under way. Proposals and tasks do,
// and wait for its end; proposals also wait while a new leader does not know yet
// what its predecessors committed. Who fills the queues bounds them: a proposal
// and a note are each one of a connection's requests.
type mailbox struct {
	sync.Mutex
	notes     []message
	proposals []*Proposal
	tasks     []message

	running           bool // a loop goroutine exists
	tasksDeferred     bool // the loop has left tasks and proposals lying
	proposalsDeferred bool // the loop has left proposals lying
	closed            bool
}

// Propose queues q for the loop. q.Done is called once, from the loop.
func (p *Partition) Propose(q *Proposal) {
	if p.enqueueProposal(q) {
		go p.loop()
	}
}

// ProposeHere is Propose by a goroutine that has nothing else to do. Where no
// loop runs it takes the loop's first turn itself, up to the sync: what a lone
// writer's small append costs is mostly the waking of threads for a goroutine
// that runs for some microseconds. What others bring meanwhile is a loop's.
//
// The caller holds no lock that a Completer or the Host takes.
func (p *Partition) ProposeHere(q *Proposal) {
	if p.enqueueProposal(q) {
		p.runTurnInline()
	}
}

// enqueueProposal lays q into the mailbox and reports whether the caller has to see to a
// loop: it then holds the loop's place.
func (p *Partition) enqueueProposal(q *Proposal) (mine bool) {
	q.StartTimeout(coreMs())
	p.mailbox.Lock()
	if p.mailbox.closed {
		p.mailbox.Unlock()
		q.Result.LogStart = p.log.Start()
		q.fail(ErrNotLeader)
		q.Done.Completed(q)
		return false
	}
	p.mailbox.proposals = append(p.mailbox.proposals, q)
	return p.claimLoop(!p.mailbox.proposalsDeferred)
}

// runInLoop runs f, which may touch the log, in the loop and waits for it. It reports
// false when the partition is closed and f was not run.
func (p *Partition) runInLoop(f func()) bool {
	done := make(chan struct{})
	if !p.runLater(func() { f(); close(done) }) {
		return false
	}
	<-done
	return true
}

// call steps a task in the loop and waits until it is answered, unless the
// partition is closed.
func (p *Partition) call(e Event, c *Call) bool {
	done := make(chan struct{})
	c.Return = func() { close(done) }
	if !p.enqueueTask(message{event: e}) {
		return false
	}
	<-done
	return true
}

// runLater has f, which may touch the log, run in the loop, unless the partition is closed.
func (p *Partition) runLater(f func()) bool { return p.enqueueTask(message{do: f}) }

func (p *Partition) enqueueTask(l message) bool {
	p.mailbox.Lock()
	if p.mailbox.closed {
		p.mailbox.Unlock()
		return false
	}
	p.mailbox.tasks = append(p.mailbox.tasks, l)
	p.wakeLoop(!p.mailbox.tasksDeferred)
	return true
}

// notify has a note given to the machine soon, unless the partition is closed.
func (p *Partition) notify(e Event) bool { return p.enqueueNote(message{event: e}) }

// enqueueNote queues a message that does not touch the log, unless
// the partition is closed.
func (p *Partition) enqueueNote(l message) bool {
	p.mailbox.Lock()
	if p.mailbox.closed {
		p.mailbox.Unlock()
		return false
	}
	p.mailbox.notes = append(p.mailbox.notes, l)
	p.wakeLoop(true)
	return true
}

// wakeLoop starts the loop if none runs and one is wanted, and releases the mailbox.
func (p *Partition) wakeLoop(wanted bool) {
	if p.claimLoop(wanted) {
		go p.loop()
	}
}

// claimLoop gives the caller the loop's place if nobody has it and a loop is
// wanted, and releases the mailbox.
func (p *Partition) claimLoop(wanted bool) (mine bool) {
	mine = wanted && !p.mailbox.running
	if mine {
		p.mailbox.running = true
		p.loops.Add(1)
	}
	p.mailbox.Unlock()
	return mine
}

// failQueued answers all proposals that were not judged.
func (p *Partition) failQueued(err error) {
	p.mailbox.Lock()
	all := p.mailbox.proposals
	p.mailbox.proposals = nil
	p.mailbox.Unlock()
	for _, q := range all {
		p.m.FailProposal(q, err)
		q.Done.Completed(q)
	}
}

// expireQueued answers what has waited to be judged for as long as its writer wanted to.
func (p *Partition) expireQueued() {
	p.mailbox.Lock()
	held := p.mailbox.proposals
	p.mailbox.proposals = nil
	p.mailbox.Unlock()
	now := coreMs()
	held = slices.DeleteFunc(held, func(q *Proposal) bool {
		late := q.Expired(now)
		if late {
			p.m.FailProposal(q, ErrTimeout)
			q.Done.Completed(q)
		}
		return late
	})
	p.mailbox.Lock()
	p.mailbox.proposals = append(held, p.mailbox.proposals...)
	p.mailbox.Unlock()
}
