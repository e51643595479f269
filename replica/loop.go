package replica

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/lockstep-log/lockstep/segment"
)

// loop runs while the mailbox holds anything that may be dequeued.
func (p *Partition) loop() { p.runTurns(p.dequeue()) }

// runTurns is loop, beginning with what is dequeued already.
func (p *Partition) runTurns(m dequeued) {
	defer p.loops.Done()
	for ; !m.empty(); m = p.dequeue() {
		p.runTurn(m)
	}
}

// runTurnInline is one turn of the loop in the caller's goroutine.
func (p *Partition) runTurnInline() {
	defer crashOnPanic()
	m := p.dequeue()
	if !m.empty() {
		p.runTurn(m)
		m = p.dequeue()
	}
	if m.empty() {
		p.loops.Done()
		return
	}
	go p.runTurns(m)
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

// runTurn does what was dequeued.
func (p *Partition) runTurn(t dequeued) {
	for i := range t.notes {
		t.notes[i].deliver(p)
	}
	if len(t.group) > 0 && p.stallsAppend() {
		p.requeue(t.group)
	} else if len(t.group) > 0 {
		p.group.Proposals = t.group
		p.step(&p.group)
		p.group.Proposals = nil
	}
	for i := range t.tasks {
		t.tasks[i].deliver(p)
	}
	clear(t.group)
	if t.group != nil {
		p.spare = t.group[:0]
	}
}

// stallsAppend reports whether there is no file descriptor for the log of a leader, or
// no room. Nothing may be judged then: the folds would see what is not written.
func (p *Partition) stallsAppend() bool {
	p.appendStalled = p.m.mayAppend(AcksNone) == nil && p.stallReason() != nil
	p.writeStalled.Store(p.appendStalled)
	return p.appendStalled
}

// stallReason is why nothing can be appended just now, or nil.
func (p *Partition) stallReason() error {
	if p.opts.Full != nil && p.opts.Full() {
		return errNoRoom
	}
	if err := p.log.Ready(); errors.Is(err, segment.ErrNoDescriptor) {
		return err
	}
	return nil
}

// errNoRoom: the disk is full.
var errNoRoom = errors.New("the disk has no room for the log")

// requeue leaves a group waiting until time has passed, ahead of what has come since.
func (p *Partition) requeue(group []*Proposal) {
	p.mailbox.Lock()
	p.mailbox.proposals = slices.Concat(group, p.mailbox.proposals)
	p.mailbox.Unlock()
	p.needsTick.Store(true)
}

// message is an event for the machine or, in its place, something that the loop
// is to do with it.
type message struct {
	event Event
	do    func()
}

func (l *message) deliver(p *Partition) {
	if l.do != nil {
		l.do()
		return
	}
	p.step(l.event)
}

// dequeued is the work of one turn, from one of the queues.
type dequeued struct {
	notes []message
	group []*Proposal
	tasks []message
}

func (m *dequeued) empty() bool { return len(m.notes)+len(m.group)+len(m.tasks) == 0 }

// dequeue empties one queue of which something may be taken now. When that is none,
// the loop ends. What one brings may forbid the next: a note that another leads,
// a group whose sync then runs beside the loop.
func (p *Partition) dequeue() (t dequeued) {
	m := &p.mailbox
	m.Lock()
	defer m.Unlock()
	if len(m.notes) > 0 {
		t.notes, m.notes = m.notes, nil
		return t
	}
	m.tasksDeferred = !p.m.AcceptsTasks()
	m.proposalsDeferred = p.appendStalled || !p.m.AcceptsProposals()
	if !m.tasksDeferred && len(m.tasks) > 0 {
		t.tasks, m.tasks = m.tasks, nil
		return t
	}
	if !m.proposalsDeferred {
		t.group, m.proposals = m.proposals, p.spare
		p.spare = nil
	}
	if len(t.group) == 0 {
		m.running = false
	}
	return t
}
