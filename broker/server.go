package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sync/errgroup"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/segment"
)

// filesMax is how many log files are kept open for readers that are away.
const filesMax = 512

// leaveTimeout bounds how long a broker that stops tries to say so.
const leaveTimeout = 2 * time.Second

// Server is one broker. New makes it, Run runs it once.
type Server struct {
	cfg       Config
	log       *slog.Logger
	fs        vfs.FS
	frames    *frames
	metrics   *metrics
	refusals  *refusals
	listeners []*boundListener
	ready     chan struct{}

	connections atomic.Int64

	// Set by Run before anything is served.
	store   coordinator.Store
	cluster *coordinator.Cluster
	base    *conflict.Base
	budget  *conflict.Budget
	files   *segment.Files
	hosted  *hosted
	groups  *groups
	ids     producerIDs
	http    *httpServer
}

// New checks the configuration and binds the listeners, so that their
// addresses are known before Run.
func New(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, log: cfg.Logger, fs: vfs.Default,
		frames: newFrames(cfg.FramesBytesMax),
		ready:  make(chan struct{}),
	}
	s.metrics, s.refusals = newMetrics(s), newRefusals(s)
	for _, l := range cfg.Listeners {
		b, err := bind(l)
		if err != nil {
			s.unbind()
			return nil, err
		}
		s.listeners = append(s.listeners, b)
	}
	if cfg.HTTPAddr != "" {
		h, err := bindHTTP(s, cfg.HTTPAddr)
		if err != nil {
			s.unbind()
			return nil, err
		}
		s.http = h
	}
	return s, nil
}

func (s *Server) unbind() {
	for _, l := range s.listeners {
		l.ln.Close()
	}
	if s.http != nil {
		s.http.ln.Close()
	}
}

// Ready is closed when the broker can produce and fetch on all that it leads.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Addr is where the named listener is bound; "" is the first.
func (s *Server) Addr(name string) string {
	for _, l := range s.listeners {
		if name == "" || l.Name == name {
			return l.ln.Addr().String()
		}
	}
	return ""
}

// HTTPAddr is where HTTP is bound, or "".
func (s *Server) HTTPAddr() string {
	if s.http == nil {
		return ""
	}
	return s.http.ln.Addr().String()
}

// Run opens the data directory, serves until ctx ends or a part fails, and
// closes everything in order: connections, partitions, metadata.
func (s *Server) Run(ctx context.Context) (err error) {
	began := time.Now()
	s.log.Info("lockstep "+s.cfg.Version, "node", s.cfg.NodeID, "data", s.cfg.DataDir)
	defer s.unbind()
	closers, err := s.open(ctx)
	defer func() { err = errors.Join(err, closers.close()) }()
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	defer stop()
	g, serving := errgroup.WithContext(serving)
	g.Go(func() error { return s.cluster.Run(serving) })
	g.Go(func() error { return s.hosted.run(serving) })
	g.Go(func() error { return s.groups.run(serving) })
	g.Go(func() error { return s.housekeep(serving) })
	if s.http != nil {
		g.Go(func() error { return s.http.serve(serving) })
	}
	g.Go(func() error {
		if err := s.start(serving, began); err != nil {
			return err
		}
		for _, l := range s.listeners {
			g.Go(func() error { return s.accept(serving, l) })
		}
		return nil
	})
	err = g.Wait()
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		s.log.Info("stopping", "why", context.Cause(ctx))
		return nil
	}
	return err
}

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
	if err := s.openStore(ctx, &cs); err != nil {
		return cs, err
	}
	s.base, err = conflict.OpenBase(s.fs, filepath.Join(s.cfg.DataDir, "locks"))
	if err != nil {
		return cs, fmt.Errorf("open lock base: %w", err)
	}
	cs.add(s.base)
	s.budget, s.files = conflict.NewBudget(lockWindowBytes()), segment.NewFiles(s.fs, filesMax)
	cs.add(s.files)
	s.hosted = newHosted(s)
	s.groups = newGroups(s)
	cs.add(closeFunc(s.hosted.close))
	s.ids.cluster = s.cluster
	return cs, nil
}

// openStore starts or dials etcd and loads the image.
func (s *Server) openStore(ctx context.Context, cs *closers) error {
	if len(s.cfg.Etcd) > 0 {
		store, err := coordinator.DialEtcd(s.cfg.Etcd)
		if err != nil {
			return fmt.Errorf("reach etcd at %v: %w", s.cfg.Etcd, err)
		}
		cs.add(store)
		s.store = store
	} else {
		e, err := coordinator.StartEmbedded(ctx, coordinator.EmbeddedOptions{
			Dir: filepath.Join(s.cfg.DataDir, "etcd"), Logger: s.log,
		})
		if err != nil {
			return fmt.Errorf("start embedded etcd: %w", err)
		}
		cs.add(e)
		s.store = e.Store()
	}
	directory, err := directoryID(s.fs, s.cfg.DataDir)
	if err != nil {
		return fmt.Errorf("data dir: %w", err)
	}
	self := coordinator.Broker{ID: s.cfg.NodeID, Rack: s.cfg.Rack, DirectoryID: directory}
	for _, l := range s.listeners {
		self.Endpoints = append(self.Endpoints, coordinator.Endpoint{Name: l.Name, Host: l.host, Port: l.port})
	}
	c, err := coordinator.Open(ctx, coordinator.Options{
		Store: s.store, Self: self, Logger: s.log, ExpectClusterID: s.cfg.ClusterID,
		DefaultPartitions: s.cfg.NumPartitions, DefaultReplicationFactor: s.cfg.DefaultReplicationFactor,
	})
	if err != nil {
		return fmt.Errorf("load cluster metadata: %w", err)
	}
	s.cluster = c
	cs.add(closeFunc(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
		defer cancel()
		return c.Close(ctx)
	}))
	return nil
}

// start registers the broker, opens its partitions, makes the topics that it
// was told to have, and says that it is ready.
func (s *Server) start(ctx context.Context, began time.Time) error {
	if err := s.cluster.Register(ctx); err != nil {
		return fmt.Errorf("register broker %d: %w", s.cfg.NodeID, err)
	}
	if err := s.hosted.settle(ctx); err != nil {
		return err
	}
	for _, t := range s.cfg.Topics {
		_, err := s.cluster.CreateTopic(ctx, coordinator.NewTopic{Name: t.Name, Partitions: t.Partitions, ReplicationFactor: -1}, false)
		if err != nil && !errors.Is(err, coordinator.ErrTopicExists) {
			return fmt.Errorf("create topic %s: %w", t.Name, err)
		}
	}
	if err := s.hosted.settle(ctx); err != nil {
		return err
	}
	im := s.cluster.Image()
	for i, l := range s.listeners {
		if i < 2 { // the start says six lines at most
			s.log.Info("kafka", "listener", l.Name, "bound", l.ln.Addr().String(), "advertised", l.String())
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

// housekeep goes over the partitions from time to time.
func (s *Server) housekeep(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.HousekeepInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.hosted.housekeep(ctx)
		}
	}
}

// closers close in the reverse order of their opening.
type closers []io.Closer

func (cs *closers) add(c io.Closer) { *cs = append(*cs, c) }

func (cs closers) close() (err error) {
	for i := len(cs) - 1; i >= 0; i-- {
		err = errors.Join(err, cs[i].Close())
	}
	return err
}

type closeFunc func() error

func (f closeFunc) Close() error { return f() }
