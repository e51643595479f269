package replica

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/segment"
)

// Refusals of the transaction checks. The broker maps them to Kafka's codes.
var (
	// ErrInvalidTxnState: a batch that belongs to a transaction comes where none of
	// its producer is open, or one that belongs to none where one is.
	ErrInvalidTxnState = errors.New("the producer's transaction is in another state")
	// ErrCoordinatorFenced: a newer leader of the transaction log has ended a
	// transaction of the producer.
	ErrCoordinatorFenced = errors.New("a newer transaction coordinator has written a marker for this producer id")
)

// errEach: what is left out of a transaction makes it another one.
var errEach = fmt.Errorf("%w: a verdict per append cannot be asked for in a transaction", ErrInvalidTxnState)

// noOffset is above every offset.
const noOffset = protocol.Offset(math.MaxInt64)

// Transactions folds a log into what is known of its transactions: who has one
// open, which ones were aborted, and each producer's last marker. It is a plain
// value of the partition's loop.
//
//	          data batch             marker             high watermark passes the marker
//	(none) ──────────────► open ──────────────► ended ──────────────────► (none)
//	                         └── undecided: the last stable offset is at its first ──┘
//
// A transaction whose marker may still be cut off again is held back from readers
// as one that is open.
type Transactions struct {
	byID map[protocol.ProducerID]*producerTransactions
	// undecided are the open ones and those whose marker is not committed, and among
	// them some that are decided by now; by their first offsets. The first is undecided.
	undecided []*undecided
	aborted   []AbortedTransaction // by their markers; what was handed out is never written to
	opened    int                  // how many are open

	touched []protocol.ProducerID // changed since takeTouched
	lost    bool                  // touched does not say all
}

// producerTransactions are one producer's.
type producerTransactions struct {
	open   *undecided // nil: none
	marker lastMarker
	lastMs int64 // when the broker last heard of it
}

// lastMarker is a producer's newest marker.
type lastMarker struct {
	at               protocol.Offset // None: there was none
	coordinatorEpoch int32           // -1: there was none
	number           int64           // the highest that there was
}

// undecided is a transaction that readers of committed data must not pass.
type undecided struct {
	id      protocol.ProducerID
	epoch   protocol.ProducerEpoch
	first   protocol.Offset
	marker  protocol.Offset // None: it is open
	sinceMs int64           // when the broker saw its first batch
}

// AbortedTransaction is a transaction that was aborted: all transactional batches
// of the producer between First and Last, its marker, are to be skipped.
type AbortedTransaction struct {
	Producer protocol.ProducerID
	First    protocol.Offset
	Last     protocol.Offset
}

// TransactionState is what is known of one producer's transactions in a partition.
type TransactionState struct {
	Open  bool
	Epoch protocol.ProducerEpoch // of the open transaction
	First protocol.Offset        // of the open transaction; None without one
	// Ended is the offset of the producer's last marker; None without one.
	Ended protocol.Offset
	// CoordinatorEpoch is the one in the last marker; -1 without one.
	CoordinatorEpoch int32
}

// noTransactions is the state of a producer that never had any.
var noTransactions = TransactionState{Epoch: -1, First: protocol.None, Ended: protocol.None, CoordinatorEpoch: -1}

// NewTransactions returns the table of an empty log.
func NewTransactions() *Transactions {
	return &Transactions{byID: map[protocol.ProducerID]*producerTransactions{}, lost: true}
}

// State is what is known of a producer.
func (t *Transactions) State(id protocol.ProducerID) TransactionState {
	p := t.byID[id]
	if p == nil {
		return noTransactions
	}
	s := noTransactions
	s.Ended, s.CoordinatorEpoch = p.marker.at, p.marker.coordinatorEpoch
	if p.open != nil {
		s.Open, s.Epoch, s.First = true, p.open.epoch, p.open.first
	}
	return s
}

// FirstUndecided is the first offset of the oldest transaction that is not
// decided, or an offset above all.
func (t *Transactions) FirstUndecided() protocol.Offset {
	if len(t.undecided) == 0 {
		return noOffset
	}
	return t.undecided[0].first
}

// Accepts reports why a producer's batch may not be appended, or nil. joins is
// where the producer's last marker was when somebody saw to it that the batch
// belongs to the transaction that its coordinator knows: one that has ended
// since would never be ended again (KIP-890). nil: there is no need to ask.
func (t *Transactions) Accepts(b record.Batch, joins *protocol.Offset) error {
	id := b.ProducerID()
	if id == protocol.NoProducer || len(t.byID) == 0 && (!b.Transactional() || joins == nil || *joins == protocol.None) {
		return nil
	}
	switch s := t.State(id); {
	case !b.Transactional() && s.Open:
		return ErrInvalidTxnState
	case !b.Transactional():
		return nil
	case s.Open && s.Epoch != b.ProducerEpoch():
		return ErrInvalidTxnState
	case !s.Open && joins != nil && *joins != s.Ended:
		return ErrInvalidTxnState
	}
	return nil
}

// Marked reports whether the end with that number, or a later one, has its marker
// already, and where. Number 0 is none.
func (t *Transactions) Marked(id protocol.ProducerID, number int64) (at protocol.Offset, ok bool) {
	p := t.byID[id]
	if number == 0 || p == nil || p.marker.number < number {
		return protocol.None, false
	}
	return p.marker.at, true
}

// MayMark reports why a coordinator may not write a marker, or nil.
func (t *Transactions) MayMark(id protocol.ProducerID, coordinatorEpoch int32) error {
	if p := t.byID[id]; p != nil && coordinatorEpoch < p.marker.coordinatorEpoch {
		return ErrCoordinatorFenced
	}
	return nil
}

// Aborted lists the transactions that were aborted behind from and began below
// the other offset, in the order of their markers. The answer is not to be changed.
func (t *Transactions) Aborted(from, below protocol.Offset) []AbortedTransaction {
	return abortedIn(t.aborted, from, below)
}

// abortedIn is Aborted of a list.
func abortedIn(all []AbortedTransaction, from, below protocol.Offset) (in []AbortedTransaction) {
	start := sort.Search(len(all), func(i int) bool { return all[i].Last >= from })
	for _, a := range all[start:] {
		if a.First < below {
			in = append(in, a)
		}
	}
	return in
}

// Fold takes in a batch that is in the log. Of a control batch it must see the records.
func (t *Transactions) Fold(b record.Batch, records *record.Records, nowMs int64) {
	id := b.ProducerID()
	switch {
	case id == protocol.NoProducer:
	case b.Control():
		if m, ok := records.Marker(); ok {
			t.end(b, m, nowMs)
		}
	case b.Transactional():
		t.begin(b, nowMs)
	}
}

func (t *Transactions) of(id protocol.ProducerID, nowMs int64) *producerTransactions {
	p := t.byID[id]
	if p == nil {
		p = &producerTransactions{marker: lastMarker{at: protocol.None, coordinatorEpoch: -1}}
		t.byID[id] = p
	}
	p.lastMs = max(p.lastMs, nowMs)
	return p
}

func (t *Transactions) begin(b record.Batch, nowMs int64) {
	id := b.ProducerID()
	p := t.of(id, nowMs)
	if p.open != nil {
		return
	}
	p.open = &undecided{id: id, epoch: b.ProducerEpoch(), first: b.BaseOffset(), marker: protocol.None, sinceMs: nowMs}
	t.undecided = append(t.undecided, p.open)
	t.opened++
	t.touch(id)
}

func (t *Transactions) end(b record.Batch, m record.Marker, nowMs int64) {
	id, at := b.ProducerID(), b.BaseOffset()
	p := t.of(id, nowMs)
	p.marker = lastMarker{at: at, coordinatorEpoch: m.CoordinatorEpoch, number: max(p.marker.number, m.Number)}
	if p.open != nil {
		if p.open.marker = at; !m.Commit {
			t.aborted = append(t.aborted, AbortedTransaction{id, p.open.first, at})
		}
		p.open = nil
		t.opened--
	}
	t.touch(id)
}

// Committed forgets transactions whose markers are below the high watermark.
func (t *Transactions) Committed(highWatermark protocol.Offset) {
	n := 0
	for n < len(t.undecided) && t.undecided[n].decided(highWatermark) {
		t.undecided[n] = nil
		n++
	}
	if t.undecided = t.undecided[n:]; len(t.undecided) == 0 {
		t.undecided = nil
	}
}

func (u *undecided) decided(highWatermark protocol.Offset) bool {
	return u.marker != protocol.None && u.marker < highWatermark
}

// Forget drops what nobody can ask for any more: producers that have not been
// heard of since beforeMs and have nothing open, and aborted transactions of
// which nothing is left behind the log's start.
func (t *Transactions) Forget(beforeMs int64, start protocol.Offset) {
	for id, p := range t.byID {
		if p.open == nil && p.lastMs < beforeMs {
			delete(t.byID, id)
			t.touch(id)
		}
	}
	gone := sort.Search(len(t.aborted), func(i int) bool { return t.aborted[i].Last >= start })
	if gone > 0 {
		t.aborted = slices.Clone(t.aborted[gone:])
	}
}

// Has reports whether a producer has a transaction open.
func (t *Transactions) Has(id protocol.ProducerID) bool {
	p := t.byID[id]
	return p != nil && p.open != nil
}

// Open counts the open transactions, and says when the broker saw the first batch
// of the oldest one; 0 without any.
func (t *Transactions) Open() (n int, oldestMs int64) {
	for _, u := range t.undecided {
		if u.marker == protocol.None {
			return t.opened, u.sinceMs
		}
	}
	return t.opened, 0
}

// touchedMax bounds what is remembered for takeTouched.
const touchedMax = 1024

func (t *Transactions) touch(id protocol.ProducerID) {
	if t.lost {
		return
	}
	if len(t.touched) == touchedMax {
		t.touched, t.lost = nil, true
		return
	}
	t.touched = append(t.touched, id)
}

// takeTouched calls f with the state of each producer whose state may have
// changed since it was called last; all says that it is with every producer.
func (t *Transactions) takeTouched(f func(all bool, id protocol.ProducerID, s TransactionState)) {
	if t.lost {
		f(true, protocol.NoProducer, noTransactions)
		for id := range maps.Keys(t.byID) {
			f(false, id, t.State(id))
		}
	}
	for _, id := range t.touched {
		f(false, id, t.State(id))
	}
	t.touched, t.lost = t.touched[:0], false
}

// TransactionsOf folds a log that nobody writes to.
func TransactionsOf(log *segment.Log, limits record.Limits) (*Transactions, error) {
	t := NewTransactions()
	f := &transactionFold{table: t}
	all := folds{all: []Fold{f}, limits: limits, locks: &lockFold{}}
	err := log.Scan(log.Start(), log.End(), func(b record.Batch) error { return all.apply(b, false, 0) })
	t.Committed(log.End())
	return t, err
}
