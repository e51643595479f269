package floor

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	queueMax   = 256  // produce requests that wait for one sync, and the buffers they hold
	indexBytes = 4096 // log bytes between two index entries
)

// log is the one file and its sparse offset index. Without Fsync a connection
// writes its batch itself; with it the commit loop is the only writer, and the
// answer loop sends what is durable while the next group is being synced.
type log struct {
	stages  Stages
	file    *os.File
	queue   chan *request
	answers chan []*request
	stopped chan struct{} // closed to wake the fetches that wait

	mu struct {
		sync.Mutex
		next, size int64 // of the next batch placed; ahead of what is written
		high, end  int64 // what a fetch may see: high <= next, end <= size
		index      []entry
		moved      chan struct{} // closed when end moves; nil when nobody waits
	}
}

type entry struct{ offset, pos int64 }

func openLog(path string, stages Stages) (*log, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return &log{
		stages:  stages,
		file:    f,
		queue:   make(chan *request, queueMax),
		answers: make(chan []*request, 1),
		stopped: make(chan struct{}),
	}, nil
}

// append is the whole produce path without Fsync. The lock is held over the
// write: nothing else could be done with the log meanwhile.
func (l *log) append(r *request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.place(r)
	if l.stages.Write && r.code == codeOK {
		if _, err := l.file.Write(r.batch); err != nil {
			r.code = codeStorage
			return
		}
	}
	l.publish()
}

// commitLoop takes all that waits as one group: one write and one fdatasync.
func (l *log) commitLoop() {
	defer close(l.answers)
	var bufs [][]byte
	for first := range l.queue {
		group := append(make([]*request, 0, 1+len(l.queue)), first)
		for len(group) < cap(group) {
			group = append(group, <-l.queue)
		}
		bufs = l.commit(group, bufs[:0])
		l.answers <- group
	}
}

func (l *log) commit(group []*request, bufs [][]byte) [][]byte {
	l.mu.Lock()
	for _, r := range group {
		if l.place(r); r.code == codeOK {
			bufs = append(bufs, r.batch)
		}
	}
	l.mu.Unlock()
	if err := writeSync(l.file, bufs); err != nil {
		for _, r := range group {
			r.code = codeStorage
		}
		return bufs
	}
	l.mu.Lock()
	l.publish()
	l.mu.Unlock()
	return bufs
}

// answerLoop sends a group's answers, one write a connection. A client that
// does not read holds up all others: good enough for a yardstick.
func (l *log) answerLoop() {
	for group := range l.answers {
		for _, r := range group {
			r.conn.out = r.appendAnswer(r.conn.out)
		}
		for _, r := range group {
			r.conn.flush() // the later ones of a connection find nothing to write
		}
		for _, r := range group {
			r.conn.inFlight.Done()
			r.release()
		}
	}
}

// place gives the batch its offset. l.mu is held.
func (l *log) place(r *request) {
	if r.code != codeOK {
		return
	}
	m := &l.mu
	r.base = m.next
	binary.BigEndian.PutUint64(r.batch, uint64(r.base))
	if n := len(m.index); n == 0 || m.size-m.index[n-1].pos >= indexBytes {
		m.index = append(m.index, entry{m.next, m.size})
	}
	m.next += r.count
	m.size += int64(len(r.batch))
}

// publish lets fetches see all that was placed. l.mu is held.
func (l *log) publish() {
	m := &l.mu
	m.high, m.end = m.next, m.size
	if m.moved != nil {
		close(m.moved)
		m.moved = nil
	}
}

// span is the piece of the file that answers a fetch.
type span struct{ pos, size, high int64 }

// find waits up to wait for something at or after offset, and returns at most
// limit bytes that begin at or before it, as an indexed fetch does.
func (l *log) find(offset, limit int64, wait time.Duration) (span, error) {
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		s, moved, err := l.look(offset, limit)
		if err != nil || s.size > 0 {
			return s, err
		}
		select {
		case <-moved:
		case <-l.stopped:
			return s, nil
		case <-timeout.C:
			return s, nil
		}
	}
}

func (l *log) look(offset, limit int64) (span, <-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := &l.mu
	if offset < 0 || offset > m.high {
		return span{high: m.high}, nil, fmt.Errorf("offset %d is outside 0..%d", offset, m.high)
	}
	if offset == m.high || !l.stages.Write {
		if m.moved == nil {
			m.moved = make(chan struct{})
		}
		return span{high: m.high}, m.moved, nil
	}
	i, found := slices.BinarySearchFunc(m.index, offset, func(e entry, o int64) int { return int(e.offset - o) })
	if !found {
		i--
	}
	pos := m.index[i].pos
	return span{pos: pos, size: min(limit, m.end-pos), high: m.high}, nil, nil
}
