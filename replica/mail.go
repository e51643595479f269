package replica

import "sync"

// mail is what waits for the loop, in three queues.
//
// Notes tell the core what has happened elsewhere and never touch the log, so
// that the loop reads them while a sync is under way. Proposals and tasks do,
// and wait for its end; proposals also wait while a new leader does not know yet
// what its predecessors committed. Who fills the queues bounds them: a proposal
// and a note are each one of a connection's requests.
type mail struct {
	sync.Mutex
	notes     []func()
	proposals []*Proposal
	tasks     []func()

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
	if q.TimeoutMs > 0 {
		q.deadlineMs = coreMs() + q.TimeoutMs
	}
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

// do runs f in the loop and waits for it. It reports false when the partition
// is closed and f was not run.
func (p *Partition) do(f func()) bool {
	done := make(chan struct{})
	if !p.post(func() { f(); close(done) }) {
		return false
	}
	<-done
	return true
}

// post has f, which may touch the log, run in the loop, unless the partition is closed.
func (p *Partition) post(f func()) bool {
	p.mail.Lock()
	if p.mail.closed {
		p.mail.Unlock()
		return false
	}
	p.mail.tasks = append(p.mail.tasks, f)
	p.wakeLoop(!p.mail.holdsTasks)
	return true
}

// note has f, which must not touch the log, run in the loop soon, unless the
// partition is closed.
func (p *Partition) note(f func()) bool {
	p.mail.Lock()
	if p.mail.closed {
		p.mail.Unlock()
		return false
	}
	p.mail.notes = append(p.mail.notes, f)
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
		p.producers.Refused(q.Batch)
		q.fail(err)
		q.Done.Completed(q)
	}
}
