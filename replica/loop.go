package replica

import (
	"fmt"
	"runtime/debug"
)

// loop lives while the mailbox holds anything that it may take.
func (p *Partition) loop() { p.goOn(p.take()) }

// goOn is loop from mail on that is taken already.
func (p *Partition) goOn(m taken) {
	defer p.loops.Done()
	for ; !m.none(); m = p.take() {
		p.turn(m)
	}
}

// visit is one turn of the loop in the caller's goroutine.
func (p *Partition) visit() {
	defer crashOnPanic()
	m := p.take()
	if !m.none() {
		p.turn(m)
		m = p.take()
	}
	if m.none() {
		p.loops.Done()
		return
	}
	go p.goOn(m)
}

// crashOnPanic makes a panic in a visit what it is in a loop, the end of the
// process: the visitor's own recovery would leave a partition behind whose
// folds may have parted from its log.
func crashOnPanic() {
	if what := recover(); what != nil {
		stack := debug.Stack()
		go func() { panic(fmt.Sprintf("%v\n\n%s", what, stack)) }()
		select {}
	}
}

// turn does what the mail asks for.
func (p *Partition) turn(m taken) {
	for _, note := range m.notes {
		note() // work follows below, once for all of them
	}
	p.append(m.group)
	for _, task := range m.tasks {
		task()
	}
	p.work()
	clear(m.group)
	if m.group != nil {
		p.spare = m.group[:0]
	}
}

// taken is the mail of one turn, from one of the queues.
type taken struct {
	notes []func()
	group []*Proposal
	tasks []func()
}

func (m *taken) none() bool { return len(m.notes)+len(m.group)+len(m.tasks) == 0 }

// take empties one queue of which something may be taken now. When that is none,
// the loop ends. What one brings may forbid the next: a note that another leads,
// a group whose sync then runs beside the loop.
func (p *Partition) take() (t taken) {
	m := &p.mail
	m.Lock()
	defer m.Unlock()
	if len(m.notes) > 0 {
		t.notes, m.notes = m.notes, nil
		return t
	}
	m.holdsTasks = p.syncing
	m.holdsProposals = p.syncing || p.holds()
	if !m.holdsTasks && len(m.tasks) > 0 {
		t.tasks, m.tasks = m.tasks, nil
		return t
	}
	if !m.holdsProposals {
		t.group, m.proposals = m.proposals, p.spare
		p.spare = nil
	}
	if len(t.group) == 0 {
		m.running = false
	}
	return t
}

// holds reports whether proposals have to wait: this broker leads, and what
// earlier leaders committed will be known soon.
func (p *Partition) holds() bool {
	return p.core != nil && p.core.role == RoleLeader && !p.core.Settled() && p.core.MayAppend(AcksAll) == nil
}
