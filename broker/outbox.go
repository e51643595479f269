package broker

import "sync"

// outbox is a connection's answers, in the order of the requests.
//
//	push ─► queue ─► the first is done ─► a writer starts ─► sends all that are done ─► ends
//
// A request is pushed before it is handled and done when its answer is ready,
// which for a Produce is when the partitions' loops have completed it. Whoever
// makes the first of the queue done starts the writer, unless one is at work.
type outbox struct {
	mu struct {
		sync.Mutex
		first, last *exchange
		writing     bool          // a writer goroutine exists
		left        bool          // the client asks for nothing any more
		drained     chan struct{} // set by drain; closed when nothing is queued or being sent
	}
	failed error // why nothing is sent any more; the writer's
}

func (o *outbox) push(x *exchange) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mu.last == nil {
		o.mu.first = x
	} else {
		o.mu.last.next = x
	}
	o.mu.last = x
}

// finish makes the answer ready and gives the request's bytes back. It is called
// once, from any goroutine.
func (x *exchange) finish(a answer) {
	x.keepClaim()
	x.giveBack()
	x.answer = a
	x.c.out.ready(x)
}

// finishUnlessDone ends an exchange whose handling went wrong.
func (x *exchange) finishUnlessDone() {
	x.c.out.mu.Lock()
	done := x.done
	x.c.out.mu.Unlock()
	if !done {
		x.hangUp = true
		x.finish(nil)
	}
}

// ready marks x as done and sees to it that it is sent in its turn.
func (o *outbox) ready(x *exchange) {
	o.mu.Lock()
	x.done = true
	start := !o.mu.writing && o.mu.first == x && !x.kept
	o.mu.writing = o.mu.writing || start
	o.mu.Unlock()
	if start {
		go x.c.write()
	}
}

// release ends that x is the reader's to send, and reports whether the reader
// is the writer now.
func (o *outbox) release(x *exchange) (writes bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	x.kept = false
	writes = !o.mu.writing && o.mu.first == x && x.done
	o.mu.writing = o.mu.writing || writes
	return writes
}

// take removes the first answer if it is ready. When there is none and the
// writer has nothing left to flush, the writer ends: idle says so.
func (o *outbox) take(flushed bool) (x *exchange, idle bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if x = o.mu.first; x != nil && x.done {
		if o.mu.first = x.next; o.mu.first == nil {
			o.mu.last = nil
		}
		x.next = nil
		return x, false
	}
	if !flushed {
		return nil, false
	}
	o.mu.writing = false
	if o.mu.drained != nil && o.mu.first == nil {
		close(o.mu.drained)
	}
	return nil, true
}

// whenLeft has f called, at most once and from any goroutine, if the client
// leaves while x is not answered: an answer that may be minutes away is not
// worth a connection. f must not block.
func (x *exchange) whenLeft(f func()) {
	o := &x.c.out
	o.mu.Lock()
	left := o.mu.left && !x.done
	if !left {
		x.left = f
	}
	o.mu.Unlock()
	if left {
		f()
	}
}

// leave tells the exchanges that are not answered that their client has left.
func (o *outbox) leave() {
	var told []func()
	o.mu.Lock()
	o.mu.left = true
	for x := o.mu.first; x != nil; x = x.next {
		if x.left != nil && !x.done {
			told = append(told, x.left)
		}
	}
	o.mu.Unlock()
	for _, f := range told {
		f()
	}
}

// drain waits until every answer was sent or given up. Nothing is pushed any more.
func (o *outbox) drain() {
	o.mu.Lock()
	if o.mu.first == nil && !o.mu.writing {
		o.mu.Unlock()
		return
	}
	drained := make(chan struct{})
	o.mu.drained = drained
	o.mu.Unlock()
	<-drained
}
