package coordinator

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/coordinator/store/etcd"
	"github.com/lockstep-log/lockstep/protocol"
)

// Options of a Cluster.
type Options struct {
	// Store holds the metadata. It stays the caller's: Close does not close it.
	Store store.Store
	// Self is this broker as others shall see it. Register gives the Epoch.
	// A broker with a DirectoryID takes over at once the registration that a
	// killed predecessor on the same directory left; one without waits until it lapses.
	Self image.Broker
	// Logger is told of changes of state. Default: slog.Default().
	Logger *slog.Logger
	// ExpectClusterID refuses a store that holds another cluster, or none. Default: any.
	ExpectClusterID string
	// ClusterID names the cluster: it is made by that name in an empty store, and a
	// store that holds another is refused. Default: any, and a random one.
	ClusterID string
	// Prefix stands before every key and ends in '/'. Default: "/lockstep/".
	Prefix string
	// SessionTimeout is how long a silent broker counts as alive. Default: 2 s;
	// with a store that no other broker shares, 10 s, as there is nobody to take over.
	SessionTimeout time.Duration
	// RequestTimeout bounds a change that comes without a deadline. Default: 30 s.
	RequestTimeout time.Duration
	// Limits bound what topics may be made.
	Limits plan.Limits
	// Rules says what an election of a topic with these overrides may do. Default:
	// what Kafka's defaults and the overrides say.
	Rules plan.RulesOf
	// PreferredInterval is how often leadership is given back to preferred
	// replicas that are in sync. Default: 60 s; below 0: never.
	PreferredInterval time.Duration
	// Quota bounds the store's size.
	Quota QuotaOptions
	// Rand makes topic ids and the cluster id. Default: crypto/rand.
	Rand io.Reader
}

func (o Options) withDefaults() (Options, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Prefix == "" {
		o.Prefix = "/lockstep/"
	}
	if o.SessionTimeout == 0 {
		o.SessionTimeout = sharedSession
		if s, ok := o.Store.(*etcd.Store); ok && s.Alone() {
			o.SessionTimeout = aloneSession
		}
	}
	if o.RequestTimeout == 0 {
		o.RequestTimeout = 30 * time.Second
	}
	o.Limits = o.Limits.WithDefaults()
	if o.Rules == nil {
		o.Rules = defaultRules
	}
	if o.PreferredInterval == 0 {
		o.PreferredInterval = time.Minute
	}
	if o.PreferredInterval < 0 {
		o.PreferredInterval = math.MaxInt64
	}
	s, _ := o.Store.(*etcd.Store)
	o.Quota = o.Quota.withDefaults(s != nil && s.Local())
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	return o, o.validate()
}

const (
	sharedSession = 2 * time.Second
	aloneSession  = 10 * time.Second
)

// defaultRules are the rules of a topic on brokers without settings of their own.
func defaultRules(configs map[string]string) plan.ElectionRules {
	t, err := settings.Parse(configs)
	if err != nil {
		t = settings.Default() // of a later version; it was valid when it was set
	}
	return plan.ElectionRules{SyncedAcks: t.FlushMessages == 1, MinInsync: int(t.MinInsyncReplicas)}
}

func (o *Options) validate() error {
	switch {
	case o.Store == nil:
		return errors.New("coordinator: no store")
	case o.Self.ID <= protocol.NoBroker:
		return fmt.Errorf("coordinator: broker id %d is below 0", o.Self.ID)
	case !strings.HasSuffix(o.Prefix, "/"):
		return fmt.Errorf("coordinator: prefix %q does not end in '/'", o.Prefix)
	}
	return nil
}
