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
	if q.TimeoutMs > 0 {
		q.deadlineMs = coreMs() + q.TimeoutMs
	}
	p.mail.Lock()
	if p.mail.closed {
		p.mail.Unlock()
		q.Result.LogStart = p.log.Start()
		q.fail(ErrNotLeader)
		q.Done.Completed(q)
		return
	}
	p.mail.proposals = append(p.mail.proposals, q)
	p.wakeLoop(!p.mail.holdsProposals)
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
	start := wanted && !p.mail.running
	if start {
		p.mail.running = true
		p.loops.Add(1)
	}
	p.mail.Unlock()
	if start {
		go p.loop()
	}
}

// loop lives while the mailbox holds anything that it may take.
func (p *Partition) loop() {
	defer p.loops.Done()
	for {
		notes, group, tasks := p.take()
		if len(notes)+len(group)+len(tasks) == 0 {
			return
		}
		for _, note := range notes {
			note() // work follows below, once for all of them
		}
		p.append(group)
		for _, task := range tasks {
			task()
		}
		p.work()
		clear(group)
		if group != nil {
			p.spare = group[:0]
		}
	}
}

// take empties one queue of which something may be taken now. When that is none,
// the loop ends. What one brings may forbid the next: a note that another leads,
// a group whose sync then runs beside the loop.
func (p *Partition) take() (notes []func(), group []*Proposal, tasks []func()) {
	m := &p.mail
	m.Lock()
	defer m.Unlock()
	if len(m.notes) > 0 {
		notes, m.notes = m.notes, nil
		return notes, nil, nil
	}
	m.holdsTasks = p.syncing
	m.holdsProposals = p.syncing || p.holds()
	if !m.holdsTasks && len(m.tasks) > 0 {
		tasks, m.tasks = m.tasks, nil
		return nil, nil, tasks
	}
	if !m.holdsProposals {
		group, m.proposals = m.proposals, p.spare
		p.spare = nil
	}
	if len(group) == 0 {
		m.running = false
	}
	return nil, group, nil
}

// holds reports whether proposals have to wait: this broker leads, and what
// earlier leaders committed will be known soon.
func (p *Partition) holds() bool {
	return p.core != nil && p.core.role == RoleLeader && !p.core.Settled() && p.core.MayAppend(AcksAll) == nil
}

// dismiss answers all proposals that were not judged.
func (p *Partition) dismiss(err error) {
	p.mail.Lock()
	all := p.mail.proposals
	p.mail.proposals = nil
	p.mail.Unlock()
	for _, q := range all {
		q.fail(err)
		q.Done.Completed(q)
	}
}
