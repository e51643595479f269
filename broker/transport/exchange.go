package transport

import (
	"time"

	"github.com/lockstep-log/lockstep/protocol"
)

// Exchange is a request and the answer to it. The Handler reads the exported
// fields and sets none but Kept.
type Exchange struct {
	Conn    *Conn
	Header  protocol.Header
	Body    []byte    // nil once ReleaseFrame is called or the answer is ready
	Refused error     // why the request is not decoded: unknown key or version
	Began   time.Time // when its first bytes had come
	Raw     bool      // Body is a frame without a header: see Conn.ExpectRaw

	// Kept is what the Handler keeps of the request until it is answered. It is set
	// before the handling begins, and only read afterwards.
	Kept any

	limits   Limits
	frame    *frame
	reserved bool   // frame is the one that the connection always may have
	kept     int64  // of the budget, until the answer is sent: see keepReservation
	serial   bool   // holds the connection's serial slot
	answer   Answer // set before done; nil: there is none to send
	hangUp   bool   // the connection is closed instead of answering

	done         bool      // the answer is ready to be sent; guarded by Conn.out
	onDisconnect func()    // called if the client leaves before that, or nil; guarded by Conn.out
	inline       bool      // the reader sends the answer, if it is ready when handled; guarded by Conn.out
	next         *Exchange // in the order of arrival; guarded by Conn.out
}

// Answer is what is sent for an exchange, without the frame's length, which the
// writer puts before it. It holds nothing of the request's bytes: those are gone
// when the answer is ready.
type Answer interface {
	// Encode appends the response's header and body to dst. It may be called once.
	Encode(dst []byte, h protocol.Header) ([]byte, error)
}

// Streamed is an answer whose tail is not gathered but written on its own:
// record batches from a log.
type Streamed interface {
	Answer
	TailBytes() int // what WriteTail will write; asked behind Encode
	WriteTail(c *Conn) error
	Release() // when the answer is sent or given up
}

// Answer is what the exchange was finished with; nil: nothing.
func (x *Exchange) Answer() Answer { return x.answer }

// Finish makes the answer ready and gives the request's bytes back; nil has
// nothing sent. It is called once, from any goroutine.
func (x *Exchange) Finish(a Answer) {
	x.keepReservation()
	x.ReleaseFrame()
	x.answer = a
	x.Conn.out.ready(x)
}

// HangUp is Finish for what has no answer: the answers before it are sent, and
// the connection is closed.
func (x *Exchange) HangUp() {
	x.hangUp = true
	x.Finish(nil)
}

// finishUnlessDone ends an exchange whose handling went wrong.
func (x *Exchange) finishUnlessDone() {
	x.Conn.out.mu.Lock()
	done := x.done
	x.Conn.out.mu.Unlock()
	if !done {
		x.HangUp()
	}
}

// OnDisconnect has f called, at most once and from any goroutine, if the client
// leaves while x is not answered: an answer that may be minutes away is not
// worth a connection. f must not block.
func (x *Exchange) OnDisconnect(f func()) {
	o := &x.Conn.out
	o.mu.Lock()
	gone := o.mu.disconnected && !x.done
	if !gone {
		x.onDisconnect = f
	}
	o.mu.Unlock()
	if gone {
		f()
	}
}

// ReleaseSerial lets the connection's next request be read before this one is
// answered. The Handler bounds how many of them it takes on. It is for the reader.
func (x *Exchange) ReleaseSerial() {
	if x.serial {
		x.serial = false
		<-x.Conn.serial
	}
}

// DecodeBytesMax is how much memory decoding the request may take: half of what
// was reserved for it beside its bytes. The other half is for the answer.
func (x *Exchange) DecodeBytesMax() int {
	return max(protocol.DecodeBytesMax, (int(x.frame.held)-len(x.frame.b))/2)
}

// DecodesTo gives back what was reserved beyond the request's bytes and twice
// what decoding them takes.
func (x *Exchange) DecodesTo(bytes int) {
	x.Conn.srv.frames.shrink(x.frame, int64(cap(x.frame.b)+2*bytes))
}

// keepReservation has what was reserved for a large request last until its
// answer is sent: as many elements as were asked about are told about.
func (x *Exchange) keepReservation() {
	if x.frame != nil && x.frame.held > mediumMax && x.limits.MemoryFactor > 1 {
		x.kept, x.frame.held = x.frame.held, 0
	}
}

// ReleaseFrame returns the memory of the request's bytes, which nothing may point
// to any more. It may be called again.
func (x *Exchange) ReleaseFrame() {
	x.Conn.srv.frames.put(x.frame)
	x.forgetFrame()
}

// abandonFrame is ReleaseFrame for bytes that somebody may still read.
func (x *Exchange) abandonFrame() {
	x.Conn.srv.frames.abandon(x.frame)
	x.forgetFrame()
}

func (x *Exchange) forgetFrame() {
	x.frame, x.Body = nil, nil
	if x.reserved {
		x.reserved = false
		x.Conn.reservedInUse.Store(false)
	}
}
