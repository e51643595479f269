package broker

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sync/errgroup"

	"github.com/lockstep-log/lockstep/broker/admin"
	"github.com/lockstep-log/lockstep/broker/audit"
	"github.com/lockstep-log/lockstep/broker/fetching"
	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/broker/replication"
	"github.com/lockstep-log/lockstep/broker/security"
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/segment"
)

// filesMax is how many log files are kept open for readers that are away.
const filesMax = 512

// Server is one broker. New makes it, Run runs it once.
type Server struct {
	cfg           Config
	log           *slog.Logger
	fs            vfs.FS
	sockets       *transport.SocketServer
	live          *live
	metrics       *admin.Metrics
	refusals      *refusals
	authorizer    *authorizer // nil: everybody may do everything
	quotas        *quotas
	auditLog      *audit.Log    // nil: there is none
	passwords     chan struct{} // a slot for each that may be looked at, by HTTP
	fetchSessions *fetching.Cache
	listeners     []*listener
	mechanisms    security.Mechanisms
	ready         chan struct{}

	recompressed recompressed
	opening      opening

	descriptors *descriptors
	disk        *partitions.DiskSpace // set by Run

	http *admin.Server // nil: there is none

	// Set by Run before anything is served.
	identity partitions.Identity
	store    store.Store
	cluster  *coordinator.Cluster
	base     *conflict.Base
	budget   *conflict.Budget
	files    *segment.Files
	hosted   *partitions.Host
	peers    *replication.Peers
	fetchers *replication.Fetchers
	sessions *replication.Sessions
	callers  *replication.Caller
	groups   *groups
	ids      producerIDs

	transactions *transactions
	joined       joined
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
		live:        newLive(),
		ready:       make(chan struct{}),
		descriptors: shareDescriptors(descriptorLimit()),

		recompressed:  newRecompressed(cfg.FramesBytesMax),
		opening:       newOpening(),
		fetchSessions: newFetchSessions(cfg),
	}
	s.metrics, s.refusals = admin.NewMetrics(adminSource{s}), newRefusals()
	s.authorizer, s.quotas = cfg.Authorizer.authorizer(), newQuotas()
	s.passwords = make(chan struct{}, passwordsAtOnce)
	s.auditLog = audit.New(audit.Options{Out: cfg.Audit, Allowed: cfg.AuditAllowed, Logger: s.log})
	s.sockets = transport.New(s.transportOptions())
	if err := errors.Join(s.openMechanisms(), s.bind()); err != nil {
		s.unbind()
		return nil, err
	}
	if cfg.HTTPAddr != "" {
		h, err := admin.Listen(cfg.HTTPAddr, adminSource{s}, s.metrics, s.log)
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
		l.Close()
	}
	if s.http != nil {
		s.http.Close()
	}
}

// Ready is closed when the broker can produce and fetch on all that it leads.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Addr is where the named listener is bound; "" is the first.
func (s *Server) Addr(name string) string {
	for _, l := range s.listeners {
		if name == "" || l.Name == name {
			return l.Bound()
		}
	}
	return ""
}

// HTTPAddr is where HTTP is bound, or "".
func (s *Server) HTTPAddr() string {
	if s.http == nil {
		return ""
	}
	return s.http.Addr().String()
}

// Run opens the data directory, serves until ctx ends or a part fails, and
// closes everything in order: leaderships are handed over first, then go
// connections, partitions, metadata.
func (s *Server) Run(ctx context.Context) (err error) {
	began := time.Now()
	s.log.Info("lockstep "+s.cfg.Version, "node", s.cfg.NodeID, "data", s.cfg.DataDir)
	defer s.unbind()
	var opened closers
	defer func() { err = errors.Join(err, opened.close()) }()
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, serving := errgroup.WithContext(serving)
	if s.http != nil {
		// It answers while the rest starts, which may have to wait for other brokers.
		g.Go(func() error { return s.http.Serve(serving, s.descriptors.http) })
	}
	if opened, err = s.open(ctx); err != nil {
		stop()
		return errors.Join(stopped(ctx, err), g.Wait())
	}
	g.Go(func() error { return s.cluster.Run(serving) })
	g.Go(func() error { return s.hosted.Run(serving) })
	g.Go(func() error { return s.peers.Run(serving) })
	g.Go(func() error { return s.fetchers.Run(serving) })
	g.Go(func() error { return s.groups.run(serving) })
	g.Go(func() error { return s.transactions.run(serving) })
	g.Go(func() error { return s.hosted.RunHousekeeping(serving, s.cfg.HousekeepInterval) })
	g.Go(func() error { return s.hosted.RunCompaction(serving) })
	g.Go(func() error { return s.tick(serving) })
	g.Go(func() error { return s.disk.Run(serving) })
	g.Go(func() error { return s.keepClientNote(serving) })
	g.Go(func() error { return s.growInternalTopics(serving) })
	g.Go(func() error { return s.watchSecurity(serving) })
	g.Go(func() error {
		return s.start(serving, began, func() {
			for _, l := range s.listeners {
				g.Go(func() error { return s.sockets.Serve(serving, l.Listener) })
			}
		})
	})
	g.Go(func() error {
		select {
		case <-ctx.Done():
			s.log.Info("stopping", "why", context.Cause(ctx))
			s.leave(serving)
			stop()
		case <-serving.Done():
		}
		return nil
	})
	return stopped(ctx, g.Wait())
}

// stopped is the error of a part, unless it only says that ctx has ended.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// isReady reports whether the broker has ever been ready.
func (s *Server) isReady() bool {
	select {
	case <-s.ready:
		return true
	default:
		return false
	}
}

// tickEvery is how often the partitions are told that time passes.
const tickEvery = 100 * time.Millisecond

// tick tells the partitions that time passes, and those of a broker that cannot
// reach the metadata to step aside.
func (s *Server) tick(ctx context.Context) error {
	partitions.Every(ctx, tickEvery, func() {
		s.hosted.Tick()
		s.quotas.follow(s.cluster.Image().Quotas())
		if _, alone := s.cluster.StoreGone(); alone {
			s.sessions.StepAside()
		}
	})
	return nil
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
