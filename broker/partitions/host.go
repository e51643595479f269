package partitions

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/internal/notify"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
	"github.com/lockstep-log/lockstep/segment"
)

// Options say what a Host stands on. All fields are needed.
type Options struct {
	FS      vfs.FS
	DataDir string
	NodeID  protocol.BrokerID
	Cluster *coordinator.Cluster
	Base    *conflict.Base
	Budget  *conflict.Budget
	Files   *segment.Files
	Space   *DiskSpace
	Fetcher Fetcher
	Metrics Metrics
	// Layers are the settings behind the topics' own, as of the present image.
	Layers func() []settings.Layer
	// LayersChanged is called by Run when Layers are others than before, and before
	// anything is opened by them. It is to call ApplySettings.
	LayersChanged func()

	DecompressedBytesMax int
	LagTimeMax           time.Duration
	DescriptorsMax       int          // files that the process may have open; for what is told to people
	NowMs                func() int64 // the time of day
	Logger               *slog.Logger
}

// Fetcher fetches from leaders for the partitions that follow them. It is called
// from their loops and never blocks; see replica.Host.
type Fetcher interface {
	Fetch(p *replica.Partition, leader protocol.BrokerID, f replica.Fetch)
	StopFetch(p *replica.Partition)
}

// Metrics counts what happens to partitions. It is called from any goroutine.
type Metrics interface {
	// Topic is called once for each topic that appears. What it returns is kept as
	// Topic.Metrics.
	Topic(name string) any
	// ForgetTopic is called when a topic was deleted.
	ForgetTopic(name string)
	// LogSynced counts one sync of a log.
	LogSynced(seconds float64)
	// Elected counts a leader epoch that this broker was elected for.
	Elected()
	// ISRChanged counts a change that this broker made as a leader.
	ISRChanged(grown bool)
}

// Host is the set of partitions that this broker holds a replica of. One
// goroutine, Run, makes it follow the image; everyone else reads the snapshot.
//
//	open ──────────────► begun ──────────────────► applied
//	the log is folded    the broker is registered  the partition knows its
//	                                               leader, and follows or leads
type Host struct {
	o        Options
	log      *slog.Logger
	now      atomic.Pointer[snapshot]
	replicas replica.Host
	settings atomic.Pointer[settings.Broker] // this broker's own, in force
	isrLog   *isrLog

	// registered is the broker epoch in which this process registered first; 0
	// before. Only then may partitions begin.
	registered atomic.Int64
	changed    notify.Signal // Run is to look again

	compactPace     *rate.Limiter // what compaction reads and writes, over all partitions
	settingsChanged notify.Signal // compaction is to look at its settings again
	starvingLogged  rate.Sometimes

	// Owned by Run.
	logs        *logList             // that were made here
	repaired    *logList             // that lockstep repair has cut: see repair.go
	brokerEpoch protocol.BrokerEpoch // that the partitions were told of

	closedClean bool // Close has closed all, and nothing had failed

	// reconciled is Run's, for those who wait for it.
	reconciled struct {
		sync.Mutex
		revision int64                // of the image that was followed last
		began    protocol.BrokerEpoch // the broker epoch that the partitions have begun in; 0: none
		moved    chan struct{}        // closed and replaced when revision rises
	}
}

// snapshot is the hosted topics at one moment, by name and by id. It is immutable.
type snapshot struct {
	byName map[string]*Topic
	byID   map[protocol.TopicID]*Topic
	layers []settings.Layer // what stands behind the topics' own settings
}

// shortageLogged is how often the log speaks of the same shortage at most.
const shortageLogged = time.Minute

// New returns a Host that hosts nothing yet. ApplySettings comes before Run.
func New(o Options) (*Host, error) {
	h := &Host{
		o: o, log: o.Logger, changed: notify.New(), settingsChanged: notify.New(),
		isrLog: newISRLog(o.Logger), compactPace: rate.NewLimiter(0, compactBurst),
		starvingLogged: rate.Sometimes{First: 1, Interval: shortageLogged},
	}
	var err error
	if h.logs, err = openLogList(o.FS, o.DataDir, logListFile); err != nil {
		return nil, err
	}
	if h.repaired, err = openLogList(o.FS, o.DataDir, repairedLogsFile); err != nil {
		return nil, err
	}
	h.replicas = &replicaHost{h}
	h.now.Store(&snapshot{})
	h.settings.Store(&settings.Broker{})
	h.reconciled.revision, h.reconciled.moved = -1, make(chan struct{})
	return h, nil
}

// ApplySettings takes the broker's own settings into force.
func (h *Host) ApplySettings(b *settings.Broker) {
	h.settings.Store(b)
	h.compactPace.SetLimit(rate.Limit(b.CleanerBytesPerSecond))
	h.settingsChanged.Notify()
}

// Topic returns a hosted topic by name, or nil.
func (h *Host) Topic(name string) *Topic { return h.now.Load().byName[name] }

// TopicByID returns a hosted topic by id, or nil.
func (h *Host) TopicByID(id protocol.TopicID) *Topic { return h.now.Load().byID[id] }

// Topics are all hosted topics, in no order.
func (h *Host) Topics() iter.Seq[*Topic] { return maps.Values(h.now.Load().byName) }

// Run follows the image until ctx ends.
func (h *Host) Run(ctx context.Context) error {
	for {
		changed := h.o.Cluster.Changed()
		im := h.o.Cluster.Image()
		h.reconcile(im)
		h.reconciled.Lock()
		h.reconciled.revision, h.reconciled.began = im.Revision, h.brokerEpoch
		close(h.reconciled.moved)
		h.reconciled.moved = make(chan struct{})
		h.reconciled.Unlock()
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-h.changed:
		}
	}
}

// Begin lets the partitions begin: the broker is registered, in this broker epoch
// or a later one. It returns when they have.
func (h *Host) Begin(ctx context.Context, brokerEpoch protocol.BrokerEpoch) error {
	h.registered.Store(int64(brokerEpoch))
	h.changed.Notify()
	return h.await(ctx, func() bool { return h.reconciled.began >= brokerEpoch })
}

// Settle waits until the partitions are as the image of this moment says.
func (h *Host) Settle(ctx context.Context) error {
	want := h.o.Cluster.Image().Revision
	return h.await(ctx, func() bool { return h.reconciled.revision >= want })
}

// await returns when good, which is called under the lock of reconciled.
func (h *Host) await(ctx context.Context, good func() bool) error {
	for {
		h.reconciled.Lock()
		ok, moved := good(), h.reconciled.moved
		h.reconciled.Unlock()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved:
		}
	}
}

// Reconciled is closed when the partitions follow the next image.
func (h *Host) Reconciled() <-chan struct{} {
	h.reconciled.Lock()
	defer h.reconciled.Unlock()
	return h.reconciled.moved
}

// Dir is DATA/logs/TOPIC-INDEX.TOPICID: the name is for people, the id keeps a
// topic that was deleted and created again apart.
func (h *Host) Dir(t *Topic, index int32) string {
	return filepath.Join(h.o.DataDir, "logs", fmt.Sprintf("%s-%d.%s", t.Name, index, t.ID))
}

// Each calls f for every open partition.
func (h *Host) Each(f func(*Topic, *Partition)) {
	for t := range h.Topics() {
		for _, p := range t.Partitions {
			if p.IsOpen() {
				f(t, p)
			}
		}
	}
}

// eachAtOnce is Each for n partitions at once. One at a time costs no goroutine.
func (h *Host) eachAtOnce(n int, f func(*Topic, *Partition)) {
	if n == 1 {
		h.Each(f)
		return
	}
	var g errgroup.Group
	g.SetLimit(n)
	h.Each(func(t *Topic, p *Partition) {
		g.Go(func() error {
			f(t, p)
			return nil
		})
	})
	_ = g.Wait() // they return no error
}

// Close closes all partitions, and notes whether all that they took in is on disk.
func (h *Host) Close() error {
	var g errgroup.Group
	g.SetLimit(int(h.settings.Load().RecoveryThreads))
	var failed atomic.Bool
	h.Each(func(t *Topic, p *Partition) {
		g.Go(func() error {
			err := p.Close()
			if err != nil || p.Failed() {
				failed.Store(true)
			}
			if err != nil {
				return fmt.Errorf("close %s-%d: %w", t.Name, p.Index, err)
			}
			return nil
		})
	})
	err := g.Wait()
	h.closePrefixes()
	h.closedClean = !failed.Load()
	return err
}

// closePrefixes closes what is read of damaged logs.
func (h *Host) closePrefixes() {
	for t := range h.Topics() {
		for _, p := range t.Partitions {
			if p != nil && p.Prefix != nil {
				_ = p.Prefix.Close() // what is wrong with it is known
			}
		}
	}
}

// NoteCleanShutdown leaves word for the next start that all is on disk. It comes
// after Close, and writes nothing if a partition had failed: then a part of what
// this process took in may be lost.
func (h *Host) NoteCleanShutdown() error {
	if !h.closedClean || h.brokerEpoch == 0 {
		return nil
	}
	return WriteCleanShutdown(h.o.FS, h.o.DataDir, h.brokerEpoch)
}

// Lost lists the partitions whose logs are gone or will not open.
func (h *Host) Lost() (lost []protocol.TopicPartition) {
	for t := range h.Topics() {
		for _, p := range t.Partitions {
			if p != nil && p.Broken != nil && p.Prefix == nil {
				lost = append(lost, protocol.TopicPartition{Topic: t.ID, Index: p.Index})
			}
		}
	}
	return lost
}

// Unsettled returns a partition that this broker leads, or is to lead, and of
// which it does not know yet what earlier leaders committed; or nil.
func (h *Host) Unsettled() (found *Partition) {
	im := h.o.Cluster.Image()
	h.Each(func(t *Topic, p *Partition) {
		if it, ok := im.TopicByID(t.ID); ok && it.Partitions[p.Index].Leader == h.o.NodeID && p.Unsettled() {
			found = p
		}
	})
	return found
}
