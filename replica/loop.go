package replica

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/lockstep-log/lockstep/segment"
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
func (p *Partition) turn(t taken) {
	for i := range t.notes {
		t.notes[i].run(p)
	}
	if len(t.group) > 0 && p.starves() {
		p.putBack(t.group)
	} else if len(t.group) > 0 {
		p.group.Proposals = t.group
		p.step(&p.group)
		p.group.Proposals = nil
	}
	for i := range t.tasks {
		t.tasks[i].run(p)
	}
	clear(t.group)
	if t.group != nil {
		p.spare = t.group[:0]
	}
}

// starves reports whether there is no file descriptor for the log of a leader, or
// no room. Nothing may be judged then: the folds would see what is not written.
func (p *Partition) starves() bool {
	p.starved = p.m.mayAppend(AcksNone) == nil && p.unready() != nil
	p.starving.Store(p.starved)
	return p.starved
}

// unready is why nothing can be appended just now, or nil.
func (p *Partition) unready() error {
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

// putBack leaves a group waiting until time has passed, ahead of what has come since.
func (p *Partition) putBack(group []*Proposal) {
	p.mail.Lock()
	p.mail.proposals = slices.Concat(group, p.mail.proposals)
	p.mail.Unlock()
	p.restless.Store(true)
}

// letter is an event for the machine or, in its place, something that the loop
// is to do with it.
type letter struct {
	event Event
	do    func()
}

func (l *letter) run(p *Partition) {
	if l.do != nil {
		l.do()
		return
	}
	p.step(l.event)
}

// taken is the mail of one turn, from one of the queues.
type taken struct {
	notes []letter
	group []*Proposal
	tasks []letter
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
	m.holdsTasks = !p.m.TakesTasks()
	m.holdsProposals = p.starved || !p.m.TakesProposals()
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
