package broker

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/broker/replication"
	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/coordinator/store/etcd"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
	"github.com/lockstep-log/lockstep/segment"
)

// open brings up what serving stands on. What it returns is to be closed even
// when there is an error.
func (s *Server) open(ctx context.Context) (closers, error) {
	var cs closers
	if err := s.fs.MkdirAll(s.cfg.DataDir, 0o755); err != nil {
		return cs, fmt.Errorf("make data dir %s: %w", s.cfg.DataDir, err)
	}
	lock, err := segment.LockDir(s.fs, s.cfg.DataDir)
	if err != nil {
		return cs, fmt.Errorf("lock data dir %s: %w", s.cfg.DataDir, err)
	}
	cs.add(lock)
	if s.disk, err = partitions.OpenDiskSpace(s.fs, s.cfg.DataDir, s.log); err != nil {
		return cs, err
	}
	if s.identity, err = partitions.ClaimIdentity(s.fs, s.cfg.DataDir, s.cfg.NodeID, s.cfg.ClusterID); err != nil {
		return cs, fmt.Errorf("data dir: %w", err)
	}
	if err := s.openStore(ctx, &cs); err != nil {
		return cs, err
	}
	if err := s.openCluster(ctx, &cs); err != nil {
		return cs, err
	}
	cs.add(closeFunc(s.noteCleanShutdown))
	s.base, err = conflict.OpenBase(s.fs, filepath.Join(s.cfg.DataDir, "locks"))
	if err != nil {
		return cs, fmt.Errorf("open lock base: %w; if it is damaged, lockstep repair puts it aside, and it is made anew of the logs", err)
	}
	cs.add(s.base)
	s.budget, s.files = conflict.NewBudget(lockWindowBytes()), segment.NewFiles(s.fs, filesMax)
	cs.add(s.files)
	s.peers = replication.NewPeers(replication.PeersOptions{
		NodeID: s.cfg.NodeID, InterBroker: s.cfg.InterBroker, Cluster: s.cluster, Logger: s.log,
		Secure: s.securePeer,
	})
	s.fetchers = replication.NewFetchers(replication.FetchersOptions{
		NodeID: s.cfg.NodeID, Cluster: s.cluster, Peers: s.peers, Logger: s.log,
		FrameBytesMax: s.cfg.RequestBytesMax + 2*replication.AnswerBytesMax,
		BytesFetched:  func(n int) { s.metrics.ReplicationIn.Add(float64(n)) },
	})
	if s.hosted, err = partitions.New(s.hostOptions()); err != nil {
		return cs, err
	}
	s.sessions = replication.NewSessions(replication.SessionsOptions{
		NodeID: s.cfg.NodeID, Cluster: s.cluster, Host: s.hosted, Peers: s.peers, CodeOf: codeOf, Logger: s.log,
		BytesSent: func(n int) { s.metrics.ReplicationOut.Add(float64(n)) },
	})
	s.takeSettings()
	s.groups = newGroups(s)
	s.callers = replication.NewCaller(s.peers)
	cs.add(closeFunc(func() error { s.callers.Close(); return nil }))
	s.transactions = newTransactions(s)
	cs.add(closeFunc(s.hosted.Close))
	s.ids.cluster = s.cluster
	return cs, nil
}

func (s *Server) hostOptions() partitions.Options {
	return partitions.Options{
		FS: s.fs, DataDir: s.cfg.DataDir, NodeID: s.cfg.NodeID, Cluster: s.cluster,
		Base: s.base, Budget: s.budget, Files: s.files, Space: s.disk,
		Fetcher: s.fetchers, Metrics: s.metrics, Layers: s.settingLayers, LayersChanged: s.takeSettings,
		DecompressedBytesMax: s.cfg.DecompressedMax, LagTimeMax: s.cfg.LagTimeMax, DescriptorsMax: s.descriptors.limit,
		NowMs: nowMs, Logger: s.log,
	}
}

// quorumPatience is after how long a broker says that it waits for its peers.
const quorumPatience = 5 * time.Second

// openStore opens the metadata store.
func (s *Server) openStore(ctx context.Context, cs *closers) error {
	switch {
	case s.store != nil: // a test's
		return nil
	case len(s.cfg.Etcd) > 0:
		outside, err := etcd.Dial(s.cfg.Etcd, s.etcdTLS())
		if err != nil {
			return fmt.Errorf("reach etcd at %v: %w", s.cfg.Etcd, err)
		}
		cs.add(outside)
		s.store = outside
		return nil
	}
	return s.openInBrokers(ctx, cs)
}

// openCluster loads the image, and notes in the data directory whose it is.
func (s *Server) openCluster(ctx context.Context, cs *closers) error {
	self := image.Broker{ID: s.cfg.NodeID, Rack: s.cfg.Rack, HTTP: s.advertisedHTTP(), DirectoryID: s.identity.Directory}
	for _, l := range s.listeners {
		self.Endpoints = append(self.Endpoints, image.Endpoint{Name: l.Name, Host: l.AdvertisedHost, Port: l.AdvertisedPort})
	}
	c, err := coordinator.Open(ctx, coordinator.Options{
		Store: s.store, Self: self, Logger: s.log, ExpectClusterID: s.identity.Cluster, ClusterID: s.cfg.ClusterID, SessionTimeout: s.cfg.SessionTimeout,
		Limits: plan.Limits{DefaultPartitions: s.cfg.NumPartitions, DefaultReplicationFactor: s.cfg.DefaultReplicationFactor},
		Rules:  s.electionRules, PreferredInterval: s.cfg.PreferredInterval, Quota: coordinator.QuotaOptions{Max: s.cfg.MetadataBytesMax},
	})
	if errors.Is(err, image.ErrClusterMismatch) && s.identity.Cluster != partitions.UnknownClusterID {
		return fmt.Errorf("%w: %s belongs to node %d of cluster %s: %w", partitions.ErrForeignDirectory, s.cfg.DataDir, s.identity.Node, partitions.OrUnknown(s.identity.Cluster), err)
	}
	if err != nil {
		return fmt.Errorf("load cluster metadata: %w", err)
	}
	s.cluster = c
	cs.add(closeFunc(s.unregister))
	if err := s.identity.BelongTo(s.fs, s.cfg.DataDir, c.Image().ClusterID); err != nil {
		return fmt.Errorf("note the cluster in the data dir: %w", err)
	}
	return nil
}

// electionRules are what an election of a topic with these overrides may do.
// The controller judges by its own defaults, which are to be the same on all brokers.
func (s *Server) electionRules(configs map[string]string) plan.ElectionRules {
	t, err := settings.Parse(configs, s.settingLayers()...)
	if err != nil {
		t = settings.Default()
	}
	return plan.ElectionRules{SyncedAcks: t.FlushMessages == 1, MinInsync: int(t.MinInsyncReplicas)}
}

// start opens the logs, registers the broker, makes the topics that it was told
// to have, and says that it is ready. accept is called as soon as others may
// talk to it: a leader needs its followers to be ready.
func (s *Server) start(ctx context.Context, began time.Time, accept func()) error {
	if err := s.hosted.Settle(ctx); err != nil {
		return err
	}
	if err := s.register(ctx); err != nil {
		return err
	}
	if s.mechanisms.Scram != nil {
		if err := s.cluster.EnsureSecret(ctx); err != nil {
			return fmt.Errorf("make the cluster's secret: %w", err)
		}
	}
	accept()
	for _, t := range s.cfg.Topics {
		if err := s.ensureTopic(ctx, t); err != nil {
			return err
		}
	}
	if err := s.settleAll(ctx); err != nil {
		return err
	}
	im := s.cluster.Image()
	for i, l := range s.listeners {
		if i < 2 { // the start says six lines at most
			s.log.Info("kafka", "listener", l.Name, "bound", l.Bound(), "advertised", l.String())
		}
	}
	if s.http != nil {
		s.log.Info("http", "address", "http://"+s.HTTPAddr())
	}
	close(s.ready)
	s.log.Info("ready", "in", time.Since(began).Round(time.Millisecond).String(), "cluster", im.ClusterID,
		"topics", len(im.Topics()), "partitions", im.PartitionCount())
	return nil
}

// register makes the broker known, with the broker epoch that it goes on from and
// what it has lost, and lets the partitions begin.
func (s *Server) register(ctx context.Context) error {
	before, err := partitions.ReadCleanShutdown(s.fs, s.cfg.DataDir)
	if err != nil {
		return fmt.Errorf("read how the broker was stopped: %w", err)
	}
	if err := s.cluster.Register(ctx, coordinator.Registration{PreviousEpoch: before, Lost: s.hosted.Lost()}); err != nil {
		return fmt.Errorf("register broker %d: %w", s.cfg.NodeID, err)
	}
	if err := partitions.RemoveCleanShutdown(s.fs, s.cfg.DataDir); err != nil {
		return fmt.Errorf("forget how the broker was stopped: %w", err)
	}
	return s.hosted.Begin(ctx, s.cluster.BrokerEpoch())
}

// topicPatience is how long a broker waits between two tries to make a topic for
// whose replicas there are not enough brokers yet.
const topicPatience = 100 * time.Millisecond

// ensureTopic makes a topic that is to be there at start. In a cluster that
// starts, its replicas may have to wait for their brokers.
func (s *Server) ensureTopic(ctx context.Context, t NewTopic) error {
	for tries := 0; ; tries++ {
		_, err := s.makeTopic(ctx, plan.NewTopic{Name: t.Name, Partitions: t.Partitions, ReplicationFactor: -1}, false)
		switch {
		case err == nil, errors.Is(err, refusal.ErrTopicExists):
			return nil
		case errors.Is(err, refusal.ErrInvalidReplicationFactor) && len(s.cluster.Image().Brokers()) < len(s.cfg.EtcdPeers):
			if tries == 0 {
				s.log.Info("topic waits for more brokers", "topic", t.Name, "why", err)
			}
		default:
			return fmt.Errorf("create topic %s: %w", t.Name, err)
		}
		select {
		case <-time.After(topicPatience):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Server) awaitController(ctx context.Context) error {
	for {
		changed := s.cluster.Changed()
		if s.cluster.Image().Controller != protocol.NoBroker {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// settleAll waits until there is a controller, until this broker's partitions
// are as the metadata says, and until it knows, of those that it leads, what
// earlier leaders committed.
func (s *Server) settleAll(ctx context.Context) error {
	if err := s.awaitController(ctx); err != nil {
		return err
	}
	if err := s.hosted.Settle(ctx); err != nil {
		return err
	}
	moved := replica.NewWatcher()
	for p := s.hosted.Unsettled(); p != nil; p = s.hosted.Unsettled() {
		p.Watch(moved)
		if p.Unsettled() {
			select {
			case <-moved.C:
			case <-time.After(topicPatience): // the image may have moved on
			case <-ctx.Done():
			}
		}
		p.Unwatch(moved)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}
