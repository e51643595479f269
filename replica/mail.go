package replica

import (
	"slices"
	"sync"
)

// mail is what waits for the loop, in three queues.
//
// Notes tell the core what has happened elsewhere and never touch the log, so
// that the loop reads them while a sync is under way. Proposals and tasks do,
// and wait for its end; proposals also wait while a new leader does not know yet
// what its predecessors committed. Who fills the queues bounds them: a proposal
// and a note are each one of a connection's requests.
type mail struct {
	sync.Mutex
	notes     []letter
	proposals []*Proposal
	tasks     []letter

	running        bool // a loop goroutine exists
	holdsTasks     bool // the loop has left tasks and proposals lying
	holdsProposals bool // the loop has left proposals lying
	closed         bool
}

// Propose hands q to the loop. q.Done is called once, from the loop.
func (p *Partition) Propose(q *Proposal) {
	if p.put(q) {
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
	if p.put(q) {
		p.visit()
	}
}

// put lays q into the mailbox and reports whether the caller has to see to a
// loop: it then holds the loop's place.
func (p *Partition) put(q *Proposal) (mine bool) {
	q.Arrive(coreMs())
	p.mail.Lock()
	if p.mail.closed {
		p.mail.Unlock()
		q.Result.LogStart = p.log.Start()
		q.fail(ErrNotLeader)
		q.Done.Completed(q)
		return false
	}
	p.mail.proposals = append(p.mail.proposals, q)
	return p.claimLoop(!p.mail.holdsProposals)
}

// do runs f, which may touch the log, in the loop and waits for it. It reports
// false when the partition is closed and f was not run.
func (p *Partition) do(f func()) bool {
	done := make(chan struct{})
	if !p.post(func() { f(); close(done) }) {
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
	if !p.task(letter{event: e}) {
		return false
	}
	<-done
	return true
}

// post has f, which may touch the log, run in the loop, unless the partition is closed.
func (p *Partition) post(f func()) bool { return p.task(letter{do: f}) }

func (p *Partition) task(l letter) bool {
	p.mail.Lock()
	if p.mail.closed {
		p.mail.Unlock()
		return false
	}
	p.mail.tasks = append(p.mail.tasks, l)
	p.wakeLoop(!p.mail.holdsTasks)
	return true
}

// tell has a note given to the machine soon, unless the partition is closed.
func (p *Partition) tell(e Event) bool { return p.note(letter{event: e}) }

// note has a letter that does not touch the log done in the loop soon, unless
// the partition is closed.
func (p *Partition) note(l letter) bool {
	p.mail.Lock()
	if p.mail.closed {
		p.mail.Unlock()
		return false
	}
	p.mail.notes = append(p.mail.notes, l)
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
	mine = wanted && !p.mail.running
	if mine {
		p.mail.running = true
		p.loops.Add(1)
	}
	p.mail.Unlock()
	return mine
}

// dismiss answers all proposals that were not judged.
func (p *Partition) dismiss(err error) {
	p.mail.Lock()
	all := p.mail.proposals
	p.mail.proposals = nil
	p.mail.Unlock()
	for _, q := range all {
		p.m.Drop(q, err)
		q.Done.Completed(q)
	}
}

// expireHeld answers what has waited to be judged for as long as its writer wanted to.
func (p *Partition) expireHeld() {
	p.mail.Lock()
	held := p.mail.proposals
	p.mail.proposals = nil
	p.mail.Unlock()
	now := coreMs()
	held = slices.DeleteFunc(held, func(q *Proposal) bool {
		late := q.Late(now)
		if late {
			p.m.Drop(q, ErrTimeout)
			q.Done.Completed(q)
		}
		return late
	})
	p.mail.Lock()
	p.mail.proposals = append(held, p.mail.proposals...)
	p.mail.Unlock()
}
