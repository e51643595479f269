package fetching

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lockstep-log/lockstep/internal/notify"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// Session is the partitions that one client reads, and where it is in each of them
// (KIP-227). A Fetch that belongs to no session is one with one request.
//
// What a request lists and what has moved is pending: it is looked at, and stays
// pending as long as there is something to say of it. All others are quiet: the
// reader has all that there is of them, and they wake the session when that changes.
// So a request costs what has moved, however many partitions the session has.
//
//	listed ─► pending ─► looked at ─► answered
//	            ▲ ▲                      │ there is more, or an error
//	            │ └──────────────────────┤
//	            └─ moved ◄── quiet ◄─────┘ nothing more to say
//
// A session has one holder at a time: who made it, or got it of Cache.Resume, until
// Release. The holder owns everything but what is said to be guarded otherwise.
type Session struct {
	byID  bool
	bound Bound
	image int64 // the metadata's revision that the last answer went by, if it matters

	parts    map[Key]*Partition // nil until it is cached: then all are pending
	pending  []*Partition       // in the order in which they are answered
	bytes    int                // of the records found and not answered
	bytesMax int                // of one answer
	urgent   bool               // something was found that must be said at once
	names    int                // what the names of parts weigh

	wake  notify.Signal // see Wake; made when it is first needed
	moved struct {
		sync.Mutex
		parts []*Partition // each once
	}

	id     int32        // 0: no cache ever had it
	epoch  atomic.Int32 // of the request that is due; the cache changes it
	use    sync.Mutex   // held by the holder
	cached atomic.Bool  // false: nobody will resume it
	entry  entry        // the cache's
}

// Key names a partition: by its topic's id, or by the topic's name in old versions.
type Key struct {
	Topic protocol.TopicID
	Name  string
	Index int32
}

// Want is what a reader asks of a partition.
type Want struct {
	Offset      protocol.Offset
	LeaderEpoch int32 // that the reader goes by; -1: none
	LastEpoch   int32 // of the record before Offset; -1: not known
	BytesMax    int
}

// Listing is a partition that a request lists.
type Listing struct {
	Key
	Want
}

// Partition is one partition of a session.
type Partition struct {
	Key
	Want
	// Found is what the last look found. Its records are the session's until they
	// are answered.
	Found Part

	session *Session
	host    *replica.Partition // that was looked at; nil: none that could tell of a move
	moves   uint64             // of host, before the look
	watched *replica.Partition // will wake this; nil: nothing will
	behind  bool               // the reader has not got all that there is
	pending bool
	removed bool
	sent    bool // an incremental answer has records of it
	known   bool // a look has found the partition
	woken   bool // it is in session.moved, which guards this

	// What the reader knows; None: nothing, or an error.
	toldHighWatermark, toldLogStart protocol.Offset
}

// NewSession is a session of what a request lists. The caller is its holder.
func NewSession(byID bool, listed []Listing) *Session {
	s := &Session{byID: byID, pending: make([]*Partition, 0, len(listed))}
	s.use.Lock()
	slab := make([]Partition, len(listed))
	for i := range listed {
		slab[i] = newPartition(s, &listed[i])
		s.pend(&slab[i])
	}
	return s
}

func newPartition(s *Session, l *Listing) Partition {
	return Partition{
		Key: l.Key, Want: l.Want, Found: NewPart(l.Index), session: s,
		toldHighWatermark: protocol.None, toldLogStart: protocol.None,
	}
}

func (s *Session) pend(p *Partition) {
	if !p.pending {
		p.pending = true
		s.pending = append(s.pending, p)
	}
}

// ID is what the client names the session by; 0 if there is nothing to resume.
func (s *Session) ID() int32 {
	return s.id
}

// Size is how many partitions there are.
func (s *Session) Size() int {
	if s.parts == nil {
		return len(s.pending)
	}
	return len(s.parts)
}

// index makes the session one that can be resumed. Of a partition that was listed
// twice the later listing counts.
func (s *Session) index() {
	s.parts = make(map[Key]*Partition, len(s.pending))
	for _, p := range s.pending {
		if twice := s.parts[p.Key]; twice != nil {
			s.remove(twice)
			s.names -= len(p.Name) >> nameWeightShift
		}
		s.parts[p.Key] = p
		s.names += len(p.Name) >> nameWeightShift
	}
	if len(s.parts) < len(s.pending) {
		s.pending = slices.DeleteFunc(s.pending, func(p *Partition) bool { return p.removed })
	}
}

// weigh is what the session takes of the cache's bound: its partitions, and more for
// long names.
func (s *Session) weigh() int {
	return len(s.parts) + s.names
}

// update takes in what an incremental request lists and forgets.
func (s *Session) update(listed []Listing, forgotten []Key) {
	for i := range listed {
		l := &listed[i]
		p := s.parts[l.Key]
		if p == nil {
			added := newPartition(s, l)
			p = &added
			s.parts[l.Key] = p
			s.names += len(l.Name) >> nameWeightShift
		}
		p.Want = l.Want
		s.pend(p)
	}
	gone := 0
	for _, key := range forgotten {
		if p := s.parts[key]; p != nil {
			delete(s.parts, key)
			s.names -= len(key.Name) >> nameWeightShift
			s.remove(p)
			gone++
		}
	}
	if gone > 0 {
		s.pending = slices.DeleteFunc(s.pending, func(p *Partition) bool { return p.removed })
	}
}

// remove has nobody look at p any more.
func (s *Session) remove(p *Partition) {
	p.removed, p.pending = true, false
	p.unwatch()
	s.discard(p)
}

// discard lets go of what was found.
func (s *Session) discard(p *Partition) {
	s.bytes -= p.Found.Bytes
	p.Found.Release()
	p.Found = NewPart(p.Index)
}

// Begin begins the work for an answer of so many bytes of records at most. image is
// a revision of the metadata, or anything that stays the same if the answer does not
// go by it; where it or the bound is another than before, all is looked at again.
func (s *Session) Begin(bound Bound, image int64, bytesMax int) {
	s.bytesMax, s.urgent = bytesMax, false
	if s.bound != bound || s.image != image {
		s.bound, s.image = bound, image
		for _, p := range s.parts {
			s.pend(p)
		}
	}
	s.TakeMoved()
}

// Pending are the partitions that there may be something to say of, in the order in
// which they are answered.
func (s *Session) Pending() []*Partition { return s.pending }

// Look looks at partitions anew: read finds what there is of each, up to so many
// bytes. first: nothing is found yet, so that a first batch may be larger.
func (s *Session) Look(parts []*Partition, read func(p *Partition, bytesMax int, first bool)) {
	for _, p := range parts {
		s.discard(p)
		p.host, p.behind = nil, false
		read(p, max(0, min(p.BytesMax, s.bytesMax-s.bytes)), s.bytes == 0)
		s.bytes += p.Found.Bytes
		s.urgent = s.urgent || p.Found.urgent()
		if p.watched != p.host {
			p.unwatch() // another one is hosted in its place
		}
	}
}

// At notes whose moves the look is at. It comes before anything of it is read.
func (p *Partition) At(host *replica.Partition) {
	p.host, p.moves, p.known = host, host.Moves(), true
}

// Known reports whether the session has found the partition before. Kafka keeps the
// name that a topic's id had then: when the topic is gone it is an unknown name, and
// not an unknown id.
func (p *Partition) Known() bool { return p.known }

// Read finds records below what Found tells as the bound, of so many bytes at most but
// for a first batch.
func (p *Partition) Read(src RecordSource, bytesMax int, first bool) error {
	bound := p.session.bound
	below := p.Found.below(bound)
	p.behind = p.Offset < below
	err := p.Found.Read(src, p.Offset, below, bytesMax, first)
	if bound == Stable && err == nil {
		p.Found.tellAborted(src, p.Offset)
	}
	return err
}

// Enough reports whether the answer need not wait.
func (s *Session) Enough(bytesMin int) bool {
	return s.urgent || s.bytes >= min(bytesMin, s.bytesMax) || s.Size() == 0
}

// Wake has a signal when there is something for TakeMoved, or when a later request
// has come. It is there once Watch was called.
func (s *Session) Wake() <-chan struct{} { return s.wake }

// Watch has partitions wake the session when they move. It returns those that have
// moved since they were looked at: they do not wake it.
func (s *Session) Watch(parts []*Partition) (moved []*Partition) {
	s.makeWake()
	for _, p := range parts {
		if p.host != nil && !p.watch() {
			moved = append(moved, p)
		}
	}
	return moved
}

func (s *Session) makeWake() {
	if s.wake == nil {
		s.wake = notify.New()
	}
}

// watch reports false if the partition has moved since it was looked at.
func (p *Partition) watch() bool {
	if p.watched == nil {
		p.watched = p.host
		p.host.WatchOnce(p)
	}
	if p.host.Moves() == p.moves {
		return true
	}
	p.unwatch()
	return false
}

func (p *Partition) unwatch() {
	if p.watched != nil {
		p.watched.Unwatch(p)
		p.watched = nil
	}
}

// Wake implements replica.Waker.
func (p *Partition) Wake() {
	s := p.session
	s.moved.Lock()
	if !p.woken {
		p.woken = true
		s.moved.parts = append(s.moved.parts, p)
	}
	s.moved.Unlock()
	s.wake.Notify()
}

// TakeMoved are the partitions that have moved since they were watched. They are
// pending from now on, and watched no more.
func (s *Session) TakeMoved() []*Partition {
	s.moved.Lock()
	moved := s.moved.parts
	s.moved.parts = nil
	for _, p := range moved {
		p.woken = false
	}
	s.moved.Unlock()
	moved = slices.DeleteFunc(moved, func(p *Partition) bool { return p.removed })
	for _, p := range moved {
		p.watched = nil
		s.pend(p)
	}
	return moved
}

// Answer makes an answer of what was found: of all partitions, or of those alone
// that there is something new to say of. The records are the answer's then.
func (s *Session) Answer(version int16, all bool) Answer {
	a := Answer{Version: version, Parts: make([]Part, 0, len(s.pending))}
	for _, p := range s.pending {
		news := p.news()
		if all || news {
			a.Add(p.Topic, p.Name, p.Found)
			s.bytes -= p.Found.Bytes
			p.sent = p.Found.Bytes > 0 && !all
			p.Found.Records, p.Found.Bytes, p.Found.Aborted = nil, 0, nil
		}
	}
	return a
}

// news reports whether the reader is to be told of the partition, and takes it that
// it is. The rules are Kafka's: an error is told each time, and once it is over the
// partition is told of whatever there is.
func (p *Partition) news() bool {
	f := &p.Found
	hw, start := f.HighWatermark, f.LogStart
	if f.Code != 0 {
		hw, start = protocol.None, protocol.None
	}
	news := f.Bytes > 0 || f.urgent() || hw != p.toldHighWatermark || start != p.toldLogStart
	p.toldHighWatermark, p.toldLogStart = hw, start
	return news
}

// settle ends the work for an answer: what there is nothing more to say of becomes
// quiet, and what an incremental answer has records of gets behind the others, so that
// the bound of an answer's bytes starves none.
func (s *Session) settle() {
	var answered []*Partition
	left := s.pending[:0]
	for _, p := range s.pending {
		sent := p.sent
		p.sent = false
		switch {
		case p.host != nil && !p.behind && !p.Found.urgent() && p.watch():
			p.pending = false
		case sent:
			answered = append(answered, p)
		default:
			left = append(left, p)
		}
	}
	s.pending = append(left, answered...)
}

// Release ends the holder's use of the session.
func (s *Session) Release() {
	if s.cached.Load() {
		s.settle()
	}
	s.use.Unlock()
	s.closeUnused()
}

// closeUnused lets go of everything if nobody will use the session again.
func (s *Session) closeUnused() {
	if s.cached.Load() || !s.use.TryLock() {
		return // whoever holds it will call this
	}
	defer s.use.Unlock()
	for _, p := range s.pending {
		s.remove(p)
	}
	for _, p := range s.parts {
		s.remove(p)
	}
}
