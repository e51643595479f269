package txn

import (
	"maps"
	"slices"
	"strings"

	"github.com/lockstep-log/lockstep/coordinator/deadline"
)

// None is no producer id.
const None = int64(-1)

const (
	noEpoch = int16(-1)
	// exhausted is the last epoch that a client sees of a producer id. One more is
	// left to fence it with.
	exhausted = int16(1<<15 - 2)
)

// CallID names an EndTxn whose answer waits for markers. The driver chooses it;
// 0 is none.
type CallID uint64

// Record goes into the transaction log. A nil Value is a tombstone.
type Record struct{ Key, Value []byte }

// Producer is who may write for a transactional id.
type Producer struct {
	ID    int64
	Epoch int16
}

// Partition is one that a transaction has written to. Topic ids tell a topic
// from another that was made under its name.
type Partition struct {
	Topic   string
	TopicID [16]byte
	Index   int32
}

// Markers ask for the end of a transaction to be written into its partitions.
// Epoch is the one in the marker: above those of the transaction's batches if
// the epoch rises with the transaction's end.
//
// A request for markers may be late, and be followed by its own repeat: where the
// epoch has not risen, it would end the producer's next transaction. So the ends
// of a transactional id are numbered, across failovers, and a partition takes no
// marker whose number is not above that of the producer's last one.
type Markers struct {
	TransactionalID string
	Producer
	Number     int64
	Commit     bool
	Partitions []Partition
}

// Reply completes an EndTxn: Producer is whom its client goes on as.
type Reply struct {
	Call CallID
	Producer
	Err error
}

// Effects are what a command asks its driver to do: append the records in this
// order, and send the markers and answer the command once those are committed.
// The replies rest on markers that are written, and on no record of these.
type Effects struct {
	Records []Record
	Markers []Markers
	Replies []Reply
}

// Topics says whether a partition still is what it was when it was added.
type Topics interface {
	Exists(Partition) bool
}

// Config holds the coordinator's limits. The zero value of a field is its default.
type Config struct {
	TimeoutMaxMs    int32 // transaction.max.timeout.ms; default 15 minutes
	IDExpirationMs  int64 // transactional.id.expiration.ms; default 7 days
	ExpiryCheckMs   int64 // how often expired ids are looked for; default 1 hour
	TransactionsMax int   // transactional ids of one coordinator; default 100,000
	PartitionsMax   int   // of one transaction; default 100,000
}

func (c Config) withDefaults() Config {
	orDefault(&c.TimeoutMaxMs, 15*60_000)
	orDefault(&c.IDExpirationMs, 7*24*3600_000)
	orDefault(&c.ExpiryCheckMs, 3600_000)
	orDefault(&c.TransactionsMax, 100_000)
	orDefault(&c.PartitionsMax, 100_000)
	return c
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// transaction is what is known of one transactional id.
type transaction struct {
	id         string
	producer   Producer
	previous   int64 // producer id before the last one was exhausted, or None
	next       int64 // producer id after the end that is under way, or None
	lastEpoch  int16 // that the client may still know itself by, or noEpoch
	timeoutMs  int32
	state      State
	startMs    int64 // of the open transaction or the last one; -1: none since InitProducerId
	updateMs   int64
	number     int64 // of the last end, see Markers
	bumps      bool  // it began without AddPartitionsToTxn: its client is of version 2
	partitions map[Partition]bool
	unmarked   map[Partition]bool // while ending: those without a marker
	calls      []CallID           // EndTxn requests that wait for the markers
	timer      deadline.Timer     // of an open transaction
}

// Coordinator holds the transactional ids of one partition of the transaction
// log. One owner.
type Coordinator struct {
	cfg    Config
	topics Topics
	byID   map[string]*transaction
	timers deadline.Queue
	expiry deadline.Timer
	spare  []int64 // producer ids that nobody has
	fx     Effects // of the command under way
}

// New makes a coordinator without transactions. Replay what its log holds, then Start.
func New(cfg Config, topics Topics) *Coordinator {
	c := &Coordinator{cfg: cfg.withDefaults(), topics: topics, byID: make(map[string]*transaction)}
	c.expiry.Fire = c.expire
	return c
}

// Start begins the timeouts of open transactions, and asks again for the markers
// of those that are ending: whoever coordinated before may have written some.
func (c *Coordinator) Start(now int64) Effects {
	for _, id := range slices.Sorted(maps.Keys(c.byID)) {
		switch t := c.byID[id]; {
		case t.state == Ongoing:
			c.arm(t)
		case t.state.ending():
			c.mark(now, t)
		}
	}
	c.timers.Set(&c.expiry, now+c.cfg.ExpiryCheckMs)
	return c.take()
}

// SetTopics shows the topics that there are now. Markers for partitions that are
// gone are waited for no more.
func (c *Coordinator) SetTopics(now int64, topics Topics) Effects {
	c.topics = topics
	for _, id := range slices.Sorted(maps.Keys(c.byID)) {
		t := c.byID[id]
		if !t.state.ending() {
			continue
		}
		maps.DeleteFunc(t.unmarked, func(p Partition, _ bool) bool { return !topics.Exists(p) })
		c.completeIfMarked(now, t)
	}
	return c.take()
}

// GiveProducerIDs adds fresh ids to the stock that new producers are made of.
func (c *Coordinator) GiveProducerIDs(ids ...int64) { c.spare = append(c.spare, ids...) }

// NextDeadline is when to call Tick at the latest.
func (c *Coordinator) NextDeadline() (now int64, ok bool) { return c.timers.Next() }

// Tick does what is due.
func (c *Coordinator) Tick(now int64) Effects {
	for t := c.timers.Pop(now); t != nil; t = c.timers.Pop(now) {
		t.Fire(now)
	}
	return c.take()
}

// take returns the effects of the command that ends.
func (c *Coordinator) take() Effects {
	fx := c.fx
	c.fx = Effects{}
	return fx
}

// producerID takes an id from the stock.
func (c *Coordinator) producerID() (int64, error) {
	if len(c.spare) == 0 {
		return None, ErrNoProducerIDs
	}
	id := c.spare[0]
	c.spare = c.spare[1:]
	return id, nil
}

// write appends the transaction as it is.
func (c *Coordinator) write(now int64, t *transaction) {
	t.updateMs = now
	c.fx.Records = append(c.fx.Records, Record{keyOf(t.id), t.value()})
}

// arm sets the timeout of an open transaction.
func (c *Coordinator) arm(t *transaction) {
	t.timer.Fire = func(now int64) { c.fence(now, t) }
	c.timers.Set(&t.timer, t.startMs+int64(t.timeoutMs))
}

// expire forgets ids that nobody has used for long.
func (c *Coordinator) expire(now int64) {
	for _, id := range slices.Sorted(maps.Keys(c.byID)) {
		t := c.byID[id]
		if t.state != Ongoing && !t.state.ending() && now-t.updateMs >= c.cfg.IDExpirationMs {
			delete(c.byID, id)
			c.fx.Records = append(c.fx.Records, Record{Key: keyOf(id)})
		}
	}
	c.timers.Set(&c.expiry, now+c.cfg.ExpiryCheckMs)
}

// sorted are the partitions by name and index.
func sorted(set map[Partition]bool) []Partition {
	return slices.SortedFunc(maps.Keys(set), func(a, b Partition) int {
		if c := strings.Compare(a.Topic, b.Topic); c != 0 {
			return c
		}
		if c := slices.Compare(a.TopicID[:], b.TopicID[:]); c != 0 {
			return c
		}
		return int(a.Index) - int(b.Index)
	})
}
