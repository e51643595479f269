package replication

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/internal/notify"
	"github.com/lockstep-log/lockstep/protocol"
)

const (
	// emptyFetchDelay is how long a fetcher waits, after an answer with news, for the
	// partitions' next fetches before it asks without them.
	emptyFetchDelay = 2 * time.Millisecond
	// fetchedBytesMax bounds the answers of one leader that are being appended and
	// those that were asked for.
	fetchedBytesMax = 64 << 20
	readBufferBytes = 32 << 10

	retryMin = 10 * time.Millisecond
	retryMax = time.Second
)

// fetcher fetches from one broker, for all partitions that follow it, if any. Its
// goroutine connects and sends the requests; while it is connected, another one
// reads the answers. The Fetchers' mu guards what both need.
type fetcher struct {
	all     *Fetchers
	leader  protocol.BrokerID
	changed notify.Signal // there may be something to do

	// Of the reader while it is connected, else of run's goroutine.
	answeredIn protocol.BrokerEpoch // the newest epoch of the leader in which it has answered
	suspected  bool                 // the cluster was told that the leader is silent

	// Guarded by all.mu.
	followers    int         // partitions that follow this leader
	pending      []*follower // their fetches are to be listed, if they still want it
	forgotten    []protocol.TopicPartition
	connection   int  // counts the connections
	connected    bool // the latest is in use
	sent         int32
	answered     int32            // <= sent
	asked        [inFlightMax]int // the bytes that each request under way may bring
	held         int              // bytes of answers that are being appended
	emptyFetchAt time.Time        // nothing empty is sent before
	broken       error            // why the reader ended
}

func newFetcher(f *Fetchers, leader protocol.BrokerID) *fetcher {
	return &fetcher{all: f, leader: leader, changed: notify.New()}
}

// run connects to the leader whenever something follows it.
func (w *fetcher) run(ctx context.Context) {
	retry := retryMin
	for w.wanted(ctx) {
		began := time.Now()
		err := w.runConnection(ctx)
		w.relist()
		if ctx.Err() != nil {
			continue
		}
		w.logEnded(err)
		w.reportSilence(err)
		if time.Since(began) > retryMax {
			retry = retryMin
			continue // it worked for a while: what has ended it is found out at once
		}
		w.pause(ctx, retry)
		retry = min(2*retry, retryMax)
	}
}

// wanted waits until something follows this leader, or it and this broker are
// registered. It reports false when ctx ends.
func (w *fetcher) wanted(ctx context.Context) bool {
	cluster := w.all.o.Cluster
	for {
		changed := cluster.Changed()
		_, live := cluster.Image().Broker(w.leader)
		w.all.mu.Lock()
		followers := w.followers
		w.all.mu.Unlock()
		if ctx.Err() != nil || followers > 0 || live && cluster.BrokerEpoch() != 0 {
			return ctx.Err() == nil
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-w.changed:
		}
	}
}

// pause waits, but not for longer than the cluster stays as it is: a leader that
// has come back has a new address.
func (w *fetcher) pause(ctx context.Context, wait time.Duration) {
	changed := w.all.o.Cluster.Changed()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	if wait > retryMin {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			timer.Reset(retryMin)
		case <-timer.C:
			return
		}
	}
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// relist has everything fetched again that an ended connection left open.
func (w *fetcher) relist() {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	w.connected, w.forgotten, w.sent, w.answered, w.broken = false, nil, 0, 0, nil
	clear(w.asked[:])
	for _, fo := range w.all.mu.followers {
		if fo.fetcher == w && fo.state == followerListed {
			fo.want()
		}
	}
}

// runConnection connects and fetches until something goes wrong.
func (w *fetcher) runConnection(ctx context.Context) error {
	nc, err := w.all.o.Peers.Dial(ctx, w.leader)
	if err != nil {
		return err
	}
	w.all.mu.Lock()
	w.connection++
	w.connected = true
	connection := w.connection
	w.all.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	read := make(chan struct{})
	go func() {
		defer close(read)
		err := w.read(nc, connection)
		w.all.mu.Lock()
		w.broken = err
		w.all.mu.Unlock()
		w.changed.Notify()
	}()
	err = w.write(ctx, nc, connection)
	nc.Close()
	<-read
	return err
}

// write sends a request whenever one is due.
func (w *fetcher) write(ctx context.Context, nc net.Conn, connection int) error {
	r := newFetchRequest(w)
	emptyFetch := stoppedTimer()
	defer emptyFetch.Stop()
	for {
		due, wait, err := w.due()
		if err != nil {
			return err
		}
		if due {
			nc.SetWriteDeadline(time.Now().Add(silenceMax))
			if _, err := nc.Write(r.make(connection)); err != nil {
				return err
			}
			continue
		}
		if wait > 0 {
			emptyFetch.Reset(wait)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.changed:
		case <-emptyFetch.C:
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
		return false, 0, errors.New("the request numbers of the connection are used up")
	case w.sent-w.answered >= inFlightMax || w.room() < partitionBytesMax:
		return false, 0, nil
	case news:
		return true, 0, nil
	case w.sent > w.answered:
		return false, 0, nil
	}
	wait = time.Until(w.emptyFetchAt)
	return wait <= 0, wait, nil
}

// room is how many bytes may be asked for.
func (w *fetcher) room() int {
	left := fetchedBytesMax - w.held
	for _, n := range w.asked {
		left -= n
	}
	return left
}

// read takes the answers in, in the order of the requests.
func (w *fetcher) read(nc net.Conn, connection int) error {
	in := bufio.NewReaderSize(silenceReader{nc}, readBufferBytes)
	var a fetchAnswer
	for k := int32(0); ; k++ {
		buf, err := readAnswer(in, w.all.o.FrameBytesMax)
		if err != nil {
			return err
		}
		if err := a.decode(buf.b, k); err != nil {
			return fmt.Errorf("broker %d: %w", w.leader, err)
		}
		if a.code != 0 {
			return refusedByLeader{kerr.ErrorForCode(a.code)}
		}
		w.noteAnswer()
		w.deliver(&a, buf, k, connection)
	}
}

// refusedByLeader is what a leader says that does not serve this broker.
type refusedByLeader struct{ error }

func (e refusedByLeader) Unwrap() error { return e.error }

// deliver gives each partition what request k's answer has for it. What answers
// a fetch that is not waited for any more is dropped: a newer one is on its way.
func (w *fetcher) deliver(a *fetchAnswer, buf *answerBuffer, k int32, connection int) {
	size := len(buf.b)
	buf.freed = func() { w.free(size) }
	w.all.mu.Lock()
	w.answered++
	w.asked[k%inFlightMax] = 0
	w.held += size
	if len(a.parts) > 0 {
		w.emptyFetchAt = time.Now().Add(emptyFetchDelay)
	}
	for i := range a.parts {
		part := &a.parts[i]
		fo := w.all.mu.followers[part.id]
		if fo == nil || fo.fetcher != w || fo.connection != connection || fo.state != followerListed || fo.request > k {
			continue
		}
		fo.state = followerIdle
		part.to, part.answer.Fetch = fo.p, fo.fetch
	}
	w.all.mu.Unlock()
	w.changed.Notify()
	for i := range a.parts {
		part := &a.parts[i]
		if part.to == nil {
			continue
		}
		w.all.o.BytesFetched(len(part.records))
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
	w.changed.Notify()
}

// stoppedTimer is a timer that is set later.
func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}
