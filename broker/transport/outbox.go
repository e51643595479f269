package transport

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
		first, last  *Exchange
		writing      bool          // a writer goroutine exists, or the reader writes
		disconnected bool          // the client asks for nothing any more
		drained      chan struct{} // set by drain; closed when nothing is queued or being sent
	}
	failed error // why nothing is sent any more; the writer's
}

func (o *outbox) push(x *Exchange) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mu.last == nil {
		o.mu.first = x
	} else {
		o.mu.last.next = x
	}
	o.mu.last = x
}

// ready marks x as done and sees to it that it is sent in its turn.
func (o *outbox) ready(x *Exchange) {
	o.mu.Lock()
	x.done = true
	start := !o.mu.writing && o.mu.first == x && !x.inline
	o.mu.writing = o.mu.writing || start
	o.mu.Unlock()
	if start {
		go x.Conn.write()
	}
}

// endInline ends that x is the reader's to send, and reports whether the reader
// is the writer now.
func (o *outbox) endInline(x *Exchange) (writes bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	x.inline = false
	writes = !o.mu.writing && o.mu.first == x && x.done
	o.mu.writing = o.mu.writing || writes
	return writes
}

// popReady removes the first answer if it is ready. When there is none and the
// writer has nothing left to flush, the writer ends: idle says so.
func (o *outbox) popReady(flushed bool) (x *Exchange, idle bool) {
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

// disconnect tells the exchanges that are not answered that their client has left.
func (o *outbox) disconnect() {
	var told []func()
	o.mu.Lock()
	o.mu.disconnected = true
	for x := o.mu.first; x != nil; x = x.next {
		if x.onDisconnect != nil && !x.done {
			told = append(told, x.onDisconnect)
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
