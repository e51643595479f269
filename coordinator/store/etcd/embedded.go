package etcd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/fileutil"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.etcd.io/etcd/server/v3/storage/wal"

	"github.com/lockstep-log/lockstep/coordinator/store"
)

// EmbeddedOptions of an etcd in this process.
type EmbeddedOptions struct {
	// Dir is etcd's own directory, made if it is missing. One process at a time can hold it.
	Dir string
	// Name is this member's name: a key of Peers, or any name when there are none. Default: "lockstep".
	Name string
	// Peers maps each member's name to its peer URL, http://HOST:PORT, this one's
	// included. None: the directory says who the members are. A new one makes a member
	// that is alone and has no port at all.
	Peers map[string]string
	// Port is this member's, if it is open already; StartEmbedded takes it, also when
	// it fails. Default: that of Peers, or the one that the directory has a note of.
	Port *PeerPort
	// Join are the peer URLs of a cluster that has added this member at Port.
	Join []string
	// TLS is how members reach each other: then the URLs of Peers begin with https://.
	TLS TLSFiles
	// Token tells clusters apart that could meet on one network. Default: "lockstep".
	Token string
	// QuotaBytes is how large the file may get before etcd takes no more writes. Default: 4 GiB.
	QuotaBytes int64
	// Logger gets etcd's warnings and errors. Default: slog.Default().
	Logger *slog.Logger
}

// Embedded is an etcd member in this process.
type Embedded struct {
	etcd  *embed.Etcd
	store *Store
	log   *etcdLog
	lock  *fileutil.LockedFile
	dir   string

	goesOn bool // it had run in this directory before
	quick  bool // it was started alone, and its election timeout is that of a member alone

	mu struct {
		sync.Mutex
		port *PeerPort // nil: none is open
	}
}

// Timing. A member alone has nobody to wait for and elects itself within
// aloneElectionMs; a shorter tick would start it sooner still and cost more when
// idle (20 ms: 1.2 % of a core, 100 ms: 0.5 %).
//
// With peers, a member's death costs one to two election timeouts if it led,
// and nothing if not. The timeout must outlast a slow sync; 3/2 of it, rounded up to a
// second, is the shortest lease.
const (
	aloneTickMs     = 40
	aloneElectionMs = 200
	peersTickMs     = 50
	peersElectionMs = 500
)

// Sizes. The metadata of 100,000 partitions takes tens of megabytes, so that
// these are far above need and far below what would hurt a small machine. The
// quota is for what the brokers' own bounds did not foresee: beyond it etcd grants no lease.
const (
	etcdQuotaBytes      = 4 << 30
	etcdSnapshotEntries = 2000    // raft entries kept in memory at most, about
	etcdCatchUpEntries  = 500     // kept after a snapshot for a slow follower
	etcdWALSegmentBytes = 4 << 20 // etcd preallocates two; its default is 64 MB each
	etcdDefragMegabytes = 64      // worth a defragmentation at start
	etcdMaxRequestBytes = 2 << 20 // a topic of 10,000 partitions is 300 kB
	etcdSlowRequest     = time.Second
	// etcdHandOver is how long a member that leads and stops waits for another one
	// to lead: that one may be stopping as well, and is waited for by etcd for six seconds.
	etcdHandOver = time.Second
	// etcdLearnersMax: all members but the first may be learners.
	etcdLearnersMax = 16
)

// The size of WAL segments is a variable of etcd's package, not an option. It is
// set before any member can run, so no member sees it change.
func init() { wal.SegmentSizeBytes = etcdWALSegmentBytes }

// defaultToken is that of members that are told their peers.
const defaultToken = "lockstep"

// ErrDirLocked refuses a directory that another process holds.
var ErrDirLocked = errors.New("directory is held by another process")

func (o EmbeddedOptions) withDefaults() EmbeddedOptions {
	if o.Name == "" {
		o.Name = "lockstep"
	}
	if o.Token == "" {
		o.Token = defaultToken
	}
	if o.QuotaBytes == 0 {
		o.QuotaBytes = etcdQuotaBytes
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// StartEmbedded starts a member and returns once it can write: for a member
// alone after its election, for one of several when a quorum of them is up.
func StartEmbedded(ctx context.Context, o EmbeddedOptions) (*Embedded, error) {
	o = o.withDefaults()
	e := &Embedded{log: newEtcdLog(o.Logger), dir: o.Dir, goesOn: HasRun(o.Dir)}
	e.mu.port = o.Port
	err := e.start(ctx, o)
	if err == nil {
		err = e.settle(ctx, o)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start etcd in %s: %w", o.Dir, err), e.Close())
	}
	return e, nil
}

// start takes the directory, opens the port, if there is to be one, and has etcd begin.
func (e *Embedded) start(ctx context.Context, o EmbeddedOptions) (err error) {
	if e.lock, err = lockDir(o.Dir); err != nil {
		return err
	}
	if e.mu.port == nil {
		if e.mu.port, err = portOf(o); err != nil {
			return err
		}
	}
	if len(o.Join) > 0 {
		if err := e.mu.port.noteJoin(o.Dir, o.Join); err != nil {
			return err
		}
	}
	e.quick = e.mu.port == nil
	if e.quick && o.Token == defaultToken {
		o.Token = rand.Text() // two members that were alone must never take each other for one, when they have ports
	}
	useTLS(o.TLS)
	cfg, err := embedConfig(ctx, o, e.mu.port, e.log)
	if err != nil {
		return err
	}
	if e.etcd, err = embed.StartEtcd(cfg); err != nil {
		return err
	}
	if e.mu.port != nil {
		e.mu.port.serve(e.etcd.Server)
	}
	e.store = New(v3client.New(e.etcd.Server))
	e.store.member, e.store.embedded, e.store.peers = e.etcd.Server, e, o.Peers
	return nil
}

// portOf opens the port of a member that is to have one from the start; nil: it is alone.
func portOf(o EmbeddedOptions) (*PeerPort, error) {
	if len(o.Peers) == 0 {
		if !HasPort(o.Dir) {
			return nil, nil
		}
		return OpenPort(PortOptions{Dir: o.Dir, TLS: o.TLS})
	}
	u, err := peerURL(o.Name, o.Peers)
	if err != nil {
		return nil, err
	}
	return listenPort(listenURL(*u).Host, u.String(), o.TLS)
}

// settle returns when the member takes part in a quorum and has what it should have.
func (e *Embedded) settle(ctx context.Context, o EmbeddedOptions) error {
	if err := e.checkAlone(o); err != nil {
		return err
	}
	if err := e.await(ctx); err != nil {
		return err
	}
	if err := e.checkPeers(o); err != nil {
		return err
	}
	if err := e.tellPort(ctx); err != nil {
		o.Logger.Warn("the other members are not told where this one is now", "error", err)
	}
	return e.reclaimAtStart(ctx, o)
}

// await returns when the member takes part in a quorum.
func (e *Embedded) await(ctx context.Context) error {
	select {
	case <-e.etcd.Server.ReadyNotify():
		return nil
	case err := <-e.etcd.Err():
		return err
	case <-e.etcd.Server.StopNotify():
		return errors.New("it stopped before it was ready")
	case <-ctx.Done():
		return fmt.Errorf("no quorum yet: %w", ctx.Err())
	}
}

// Store is the in-process client of this member. Close closes it.
func (e *Embedded) Store() *Store { return e.store }

// Server is the member itself, for who must know more of it than its store tells.
func (e *Embedded) Server() *etcdserver.EtcdServer { return e.etcd.Server }

// Failed is closed when the member stops by itself, which it does when its disk fails.
func (e *Embedded) Failed() <-chan struct{} { return e.etcd.Server.StopNotify() }

// Close stops the member. What was written is on disk.
func (e *Embedded) Close() (err error) {
	e.log.closing.Store(true)
	if e.store != nil {
		err = e.store.Close()
	}
	if e.etcd != nil {
		hurry := time.AfterFunc(etcdHandOver, e.etcd.Server.HardStop)
		e.etcd.Close()
		hurry.Stop()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.port != nil { // the last messages have gone by it
		err = errors.Join(err, e.mu.port.Close())
	}
	if e.lock != nil {
		err = errors.Join(err, e.lock.Close())
	}
	return err
}

func embedConfig(ctx context.Context, o EmbeddedOptions, port *PeerPort, log *etcdLog) (*embed.Config, error) {
	cfg := embed.NewConfig()
	cfg.Dir = o.Dir
	cfg.Name = o.Name
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(log.zap())
	cfg.LogLevel = "warn"
	cfg.InitialClusterToken = o.Token

	cfg.QuotaBackendBytes = o.QuotaBytes
	cfg.SnapshotCount = etcdSnapshotEntries
	cfg.SnapshotCatchUpEntries = etcdCatchUpEntries
	cfg.MaxTxnOps = store.MaxTxnOps
	cfg.MaxRequestBytes = etcdMaxRequestBytes
	cfg.BootstrapDefragThresholdMegabytes = etcdDefragMegabytes
	cfg.WarningApplyDuration = etcdSlowRequest
	cfg.WarningUnaryRequestDuration = etcdSlowRequest
	cfg.EnableGRPCGateway = false
	cfg.MaxLearners = etcdLearnersMax

	// Clients are in this process, and come to the port that is opened here: etcd has
	// no listener. It wants a peer URL for its member list, and never dials its own.
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = nil, nil
	cfg.ListenPeerUrls = nil
	cfg.TickMs, cfg.ElectionMs = aloneTickMs, aloneElectionMs
	self := &url.URL{Scheme: "http", Host: "127.0.0.1:2380"}
	if port != nil {
		var err error
		if self, err = url.Parse(port.URL()); err != nil {
			return nil, err
		}
		if encrypts(port.URL()) {
			cfg.PeerTLSInfo = o.TLS.info()
		}
		cfg.AdvertiseClientUrls = []url.URL{*self} // the mark of a member that has run: join.go
		cfg.TickMs, cfg.ElectionMs = peersTickMs, peersElectionMs
	}
	cfg.AdvertisePeerUrls = []url.URL{*self}
	var err error
	cfg.ClusterState, cfg.InitialCluster, err = clusterState(ctx, o, self.String())
	return cfg, err
}

// peerURL is a member's own of the peers.
func peerURL(name string, peers map[string]string) (*url.URL, error) {
	self, ok := peers[name]
	if !ok {
		return nil, fmt.Errorf("etcd peers %v do not name this member, %q", slices.Sorted(maps.Keys(peers)), name)
	}
	u, err := url.Parse(self)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Port() == "" {
		return nil, fmt.Errorf("etcd peer %s=%s: want http://HOST:PORT or https://HOST:PORT", name, self)
	}
	return u, nil
}

// listenURL is where a member listens that others reach at u: behind a name, as
// containers have, it listens on all addresses.
func listenURL(u url.URL) url.URL {
	if net.ParseIP(u.Hostname()) == nil {
		u.Host = net.JoinHostPort("0.0.0.0", u.Port())
	}
	return u
}

// lockDir takes the directory for this process. etcd's own locks would make a
// second process wait; this one makes it fail at once. The system lets go of
// the lock when the process ends, however it ends.
func lockDir(dir string) (*fileutil.LockedFile, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := fileutil.TryLockFile(filepath.Join(dir, "lock"), os.O_WRONLY|os.O_CREATE, 0o600)
	if errors.Is(err, fileutil.ErrLocked) {
		return nil, fmt.Errorf("%s: %w", dir, ErrDirLocked)
	}
	return lock, err
}
