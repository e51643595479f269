package broker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/protocol"
)

const (
	// followLinger is how long a fetcher waits, after an answer with news, for the
	// partitions' next fetches before it asks without them.
	followLinger = 2 * time.Millisecond
	// followBytesMax bounds the answers of one leader that are being appended and
	// those that were asked for.
	followBytesMax = 64 << 20
	followBuffer   = 32 << 10

	followRetryLeast = 10 * time.Millisecond
	followRetryMost  = time.Second
)

// fetcher fetches from one broker, for all partitions that follow it, if any. Its
// goroutine dials and sends the requests; while it talks, another one reads the
// answers. The followers' mu guards what both need.
type fetcher struct {
	all    *followers
	leader protocol.BrokerID
	signal chan struct{} // there may be something to do

	// Of the reader while it talks, else of run's goroutine.
	heard    protocol.BrokerEpoch // the newest epoch of the leader in which it has answered
	suspects bool                 // the cluster was told that the leader is silent

	// Guarded by all.mu.
	mine      int         // partitions that follow this leader
	pending   []*followed // their fetches are to be listed, if they still want it
	forgotten []protocol.TopicPartition
	talk      int  // counts the conversations
	talking   bool // the latest is under way
	sent      int32
	answered  int32             // <= sent
	asked     [peerInFlight]int // the bytes that each request under way may bring
	held      int               // bytes of answers that are being appended
	lingerTo  time.Time         // nothing empty is sent before
	broken    error             // why the reader ended
}

func newFetcher(f *followers, leader protocol.BrokerID) *fetcher {
	return &fetcher{all: f, leader: leader, signal: make(chan struct{}, 1)}
}

// nudge has the fetcher look for something to do.
func (w *fetcher) nudge() {
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

// run talks to the leader whenever something follows it.
func (w *fetcher) run(ctx context.Context) {
	retry := followRetryLeast
	for w.wanted(ctx) {
		began := time.Now()
		err := w.converse(ctx)
		w.relist()
		if ctx.Err() != nil {
			continue
		}
		w.log(err)
		w.suspect(err)
		if time.Since(began) > followRetryMost {
			retry = followRetryLeast
			continue // it worked for a while: what has ended it is found out at once
		}
		w.pause(ctx, retry)
		retry = min(2*retry, followRetryMost)
	}
}

// wanted waits until something follows this leader, or it and this broker are
// registered. It reports false when ctx ends.
func (w *fetcher) wanted(ctx context.Context) bool {
	cluster := w.all.srv.cluster
	for {
		changed := cluster.Changed()
		_, live := cluster.Image().Broker(w.leader)
		w.all.mu.Lock()
		mine := w.mine
		w.all.mu.Unlock()
		if ctx.Err() != nil || mine > 0 || live && cluster.BrokerEpoch() != 0 {
			return ctx.Err() == nil
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-w.signal:
		}
	}
}

// pause waits, but not for longer than the cluster stays as it is: a leader that
// has come back has a new address.
func (w *fetcher) pause(ctx context.Context, wait time.Duration) {
	changed := w.all.srv.cluster.Changed()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	if wait > followRetryLeast {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			timer.Reset(followRetryLeast)
		case <-timer.C:
			return
		}
	}
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// relist has everything fetched again that an ended conversation left open.
func (w *fetcher) relist() {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	w.talking, w.forgotten, w.sent, w.answered, w.broken = false, nil, 0, 0, nil
	clear(w.asked[:])
	for _, fo := range w.all.mu.of {
		if fo.fetcher == w && fo.state == followListed {
			fo.want()
		}
	}
}

// converse connects and fetches until something goes wrong.
func (w *fetcher) converse(ctx context.Context) error {
	nc, err := w.all.dial(ctx, w.leader)
	if err != nil {
		return err
	}
	w.all.mu.Lock()
	w.talk++
	w.talking = true
	talk := w.talk
	w.all.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	read := make(chan struct{})
	go func() {
		defer close(read)
		err := w.read(nc, talk)
		w.all.mu.Lock()
		w.broken = err
		w.all.mu.Unlock()
		w.nudge()
	}()
	err = w.write(ctx, nc, talk)
	nc.Close()
	<-read
	return err
}

// write sends a request whenever one is due.
func (w *fetcher) write(ctx context.Context, nc net.Conn, talk int) error {
	r := newFollowRequest(w)
	linger := stoppedTimer()
	defer linger.Stop()
	for {
		due, wait, err := w.due()
		if err != nil {
			return err
		}
		if due {
			nc.SetWriteDeadline(time.Now().Add(peerSilence))
			if _, err := nc.Write(r.make(talk)); err != nil {
				return err
			}
			continue
		}
		if wait > 0 {
			linger.Reset(wait)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.signal:
		case <-linger.C:
		}
	}
}

// due reports whether to send a request, or how long to wait until one may be
// due; 0 is until something happens. There is always one at the leader, so that
// it can answer at once, and a second one when there are new fetches.
func (w *fetcher) due() (now bool, wait time.Duration, err error) {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	switch news := len(w.pending)+len(w.forgotten) > 0; {
	case w.broken != nil:
		return false, 0, w.broken
	case w.sent == math.MaxInt32:
		return false, 0, errors.New("the requests of the conversation are used up")
	case w.sent-w.answered >= peerInFlight || w.room() < peerPartitionBytes:
		return false, 0, nil
	case news:
		return true, 0, nil
	case w.sent > w.answered:
		return false, 0, nil
	}
	wait = time.Until(w.lingerTo)
	return wait <= 0, wait, nil
}

// room is how many bytes may be asked for.
func (w *fetcher) room() int {
	left := followBytesMax - w.held
	for _, n := range w.asked {
		left -= n
	}
	return left
}

// read takes the answers in, in the order of the requests.
func (w *fetcher) read(nc net.Conn, talk int) error {
	in := bufio.NewReaderSize(untilSilent{nc}, followBuffer)
	var a followAnswer
	for k := int32(0); ; k++ {
		buf, err := readAnswer(in, w.all.srv.cfg.RequestBytesMax+2*peerAnswerBytes)
		if err != nil {
			return err
		}
		if err := a.decode(buf.b, k); err != nil {
			return fmt.Errorf("broker %d sent what is no answer: %w", w.leader, err)
		}
		if a.code != 0 {
			return refusedByPeer{kerr.ErrorForCode(a.code)}
		}
		w.hear()
		w.deliver(&a, buf, k, talk)
	}
}

// refusedByPeer is a leader that does not talk to this broker.
type refusedByPeer struct{ error }

func (e refusedByPeer) Unwrap() error { return e.error }

// deliver gives each partition what request k's answer has for it. What answers
// a fetch that is not waited for any more is dropped: a newer one is on its way.
func (w *fetcher) deliver(a *followAnswer, buf *peerBuffer, k int32, talk int) {
	size := len(buf.b)
	buf.freed = func() { w.free(size) }
	w.all.mu.Lock()
	w.answered++
	w.asked[k%peerInFlight] = 0
	w.held += size
	if len(a.parts) > 0 {
		w.lingerTo = time.Now().Add(followLinger)
	}
	for i := range a.parts {
		part := &a.parts[i]
		fo := w.all.mu.of[part.id]
		if fo == nil || fo.fetcher != w || fo.talk != talk || fo.state != followListed || fo.request > k {
			continue
		}
		fo.state = followIdle
		part.to, part.answer.Fetch = fo.p, fo.fetch
	}
	w.all.mu.Unlock()
	w.nudge()
	for i := range a.parts {
		part := &a.parts[i]
		if part.to == nil {
			continue
		}
		w.all.metrics.bytesIn.Add(float64(len(part.records)))
		if len(part.records) == 0 {
			part.to.FetchAnswered(part.answer, nil, nil)
			continue
		}
		buf.hold()
		part.to.FetchAnswered(part.answer, part.records, buf.release)
	}
	buf.release()
}

// free gives back the room that an answer took.
func (w *fetcher) free(size int) {
	w.all.mu.Lock()
	w.held -= size
	w.all.mu.Unlock()
	w.nudge()
}
