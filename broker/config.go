package broker

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/lockstep-log/lockstep/broker/security"
	"github.com/lockstep-log/lockstep/protocol"
)

// EtcdTLS are files in PEM. The zero value is plain text.
type EtcdTLS struct{ Cert, Key, CA string }

// Config says how to run one broker. The zero value of a field is its default,
// but that of NodeID is node 0.
type Config struct {
	NodeID    protocol.BrokerID // not below 0; 0 is node 0, and not a default
	Rack      string
	DataDir   string // required
	ClusterID string // "" = the store's own
	Version   string

	Listeners []Listener // at least one
	HTTPAddr  string     // "" = no HTTP

	// InterBroker names the listener by which the other brokers reach this one and
	// it reaches them; all brokers of a cluster must have it. "" = the first.
	InterBroker string

	// Authorizer has ACLs decide who may do what. nil: everybody may do everything.
	Authorizer *AuthorizerConfig
	// Audit gets a line of JSON for each decision that denies something, and with
	// AuditAllowed for the others as well. nil: none are written.
	Audit        io.Writer
	AuditAllowed bool

	// MetricsLockNames has metrics name locks with an Authorizer as well; without one
	// they do.
	MetricsLockNames bool

	// PrincipalMapping makes users of the certificates that clients show.
	PrincipalMapping security.MappingRules
	PeerUser         PeerUser              // where the inter-broker listener has SASL
	UserFile         string                // the users of PLAIN, NAME:PASSWORD a line
	Tokens           security.TokenOptions // which tokens of OAUTHBEARER are taken
	// ReauthMax is connections.max.reauth.ms: how long a proof by SASL is good for.
	// 0: as long as the connection, or what was shown.
	ReauthMax time.Duration

	Etcd []string // endpoints of an outside etcd; empty = embedded
	// EtcdPeers has etcd embedded in each of these brokers, this one among them,
	// and is the peer URL of each, http://HOST:PORT. nil = embedded, and alone.
	EtcdPeers map[protocol.BrokerID]string
	// EtcdTLS is the certificate that this broker shows to etcd, outside or embedded in the
	// others, its key, and the CA by which it is trusted; with https:// in the addresses.
	EtcdTLS EtcdTLS
	// Join is the Kafka listener of any broker of a cluster that this one is to become
	// one of, HOST:PORT. It counts until this broker is in. "" = it makes a cluster of its own.
	Join string
	// EtcdListen is where this broker's etcd member is reached by others, HOST:PORT, once
	// there are others. "" = port 2380 of the host that the inter-broker listener
	// advertises, or a free port where that is taken.
	EtcdListen string
	// MetadataBytesMax is how much of the metadata store may be in use for topics
	// and settings to be added; default as in coordinator.QuotaOptions.
	MetadataBytesMax int64
	// SessionTimeout is how long a silent broker counts as live; default 2 s, or
	// 10 s where there is no other. A process that died is noticed sooner, by its
	// refused connections.
	SessionTimeout time.Duration
	// LagTimeMax is replica.lag.time.max.ms: how long a replica may lag behind and
	// stay in sync. Default 2.5 s: a link that is cut holds writes up for no longer.
	LagTimeMax time.Duration
	// ReplicationThrottle is how many bytes a second this broker sends, as a leader,
	// to replicas that are not in sync, so that they do not crowd out the others.
	// 0 = as many as there are.
	ReplicationThrottle int64
	// PreferredInterval is how often leadership goes back to preferred replicas that
	// are in sync: auto.leader.rebalance.enable. Default 60 s; below 0: never.
	PreferredInterval time.Duration
	// LeaveTimeout bounds how long a broker that stops waits until others lead in
	// its place; default 5 s.
	LeaveTimeout time.Duration

	Topics           []NewTopic // to be there before the broker is ready
	AutoCreateTopics bool
	TopicsStay       bool  // delete.topic.enable=false: no client can delete a topic
	NumPartitions    int32 // of a topic created without a count; default 1
	// DefaultReplicationFactor is of a topic created without one. Default: as many
	// as there are EtcdPeers, up to 3; or 1.
	DefaultReplicationFactor int16
	// TopicDefaults are settings of topics that do not set them. Where the default
	// replication factor is 3 or more, min.insync.replicas is 2 unless it is set:
	// what was acknowledged with acks=all then outlives any one broker.
	TopicDefaults map[string]string

	Groups       GroupConfig
	Transactions TransactionConfig

	RequestBytesMax int32 // a frame; default 100 MiB as in Kafka
	FramesBytesMax  int64 // all frames together; default 512 MiB
	DecompressedMax int   // one opened batch; default 64 MiB
	ConnectionsMax  int   // default 16,384
	// FetchSessions is how many consumers may have a fetch session (KIP-227); others
	// list all their partitions in each fetch. Default 1,000; 0: none.
	FetchSessions Given[int]
	// FetchSessionEviction is how long a session must not have been used for a new one
	// to take its place where there are no more. Default 2 min.
	FetchSessionEviction time.Duration
	IdleTimeout          time.Duration // a connection without a request is closed after it; default 10 min
	FrameTimeout         time.Duration // for the next bytes of a request that has begun to arrive; default 60 s
	WriteTimeout         time.Duration // for a client to take 1 MiB of its answers; default 60 s
	ProducerIDMs         int64         // how long a silent idempotent producer is remembered; default one day
	HousekeepInterval    time.Duration // default 5 s
	CompactInterval      time.Duration // between looks for logs to compact; default 15 s

	Logger *slog.Logger // default slog.Default()
}

// NewTopic is a topic to create at start.
type NewTopic struct {
	Name       string
	Partitions int32
}

func (c Config) withDefaults() Config {
	orDefault(&c.Version, "dev")
	orDefault(&c.NumPartitions, 1)
	orDefault(&c.DefaultReplicationFactor, int16(max(1, min(len(c.EtcdPeers), replicasByDefault))))
	orDefault(&c.LagTimeMax, 2500*time.Millisecond)
	orDefault(&c.LeaveTimeout, 5*time.Second)
	orDefault(&c.PreferredInterval, time.Minute)
	orDefault(&c.RequestBytesMax, 100<<20)
	orDefault(&c.FramesBytesMax, 512<<20)
	orDefault(&c.DecompressedMax, 64<<20)
	orDefault(&c.ConnectionsMax, 16<<10)
	c.FetchSessions = Give(c.FetchSessions.or(1000))
	orDefault(&c.IdleTimeout, 10*time.Minute)
	orDefault(&c.FrameTimeout, time.Minute)
	orDefault(&c.WriteTimeout, time.Minute)
	orDefault(&c.ProducerIDMs, (24 * time.Hour).Milliseconds())
	orDefault(&c.HousekeepInterval, 5*time.Second)
	orDefault(&c.CompactInterval, 15*time.Second)
	c.Groups = c.Groups.withDefaults()
	c.Transactions = c.Transactions.withDefaults()
	if len(c.Listeners) > 0 {
		orDefault(&c.InterBroker, c.Listeners[0].Name)
	}
	c.TopicDefaults = withMinInsync(c.TopicDefaults, c.DefaultReplicationFactor)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// replicasByDefault is how many replicas a topic gets in a cluster that has as
// many brokers: with one gone, two still agree.
const replicasByDefault = 3

const minInsyncName = "min.insync.replicas"

// withMinInsync adds the default that follows from the replication factor.
func withMinInsync(defaults map[string]string, replicas int16) map[string]string {
	if _, set := defaults[minInsyncName]; set || replicas < replicasByDefault {
		return defaults
	}
	with := map[string]string{minInsyncName: "2"}
	maps.Copy(with, defaults)
	return with
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (c Config) validate() error {
	if c.DataDir == "" {
		return errors.New("data dir is not set")
	}
	if len(c.Listeners) == 0 {
		return errors.New("no listener is set")
	}
	if err := c.validatePeers(); err != nil {
		return err
	}
	if c.FramesBytesMax < 2*int64(c.RequestBytesMax) {
		return fmt.Errorf("the budget of %d bytes for all requests is less than two requests of the largest size, %d", c.FramesBytesMax, c.RequestBytesMax)
	}
	if err := c.validateMechanisms(); err != nil {
		return err
	}
	if err := c.Groups.validate(); err != nil {
		return err
	}
	if err := c.Transactions.validate(); err != nil {
		return err
	}
	if err := CheckTopicDefaults(c.TopicDefaults); err != nil {
		return fmt.Errorf("topic defaults: %w", err)
	}
	return nil
}

func (c Config) validatePeers() error {
	if !slices.ContainsFunc(c.Listeners, func(l Listener) bool { return l.Name == c.InterBroker }) {
		return fmt.Errorf("the listener %q, which the other brokers are to use, is none of the listeners", c.InterBroker)
	}
	if c.Join != "" && (len(c.Etcd) > 0 || len(c.EtcdPeers) > 0) {
		return errors.New("a cluster to join, and its etcd or etcd peers, are both set; they exclude each other")
	}
	if len(c.EtcdPeers) == 0 {
		return nil
	}
	if len(c.Etcd) > 0 {
		return errors.New("an outside etcd and etcd peers are both set; they exclude each other")
	}
	if _, ok := c.EtcdPeers[c.NodeID]; !ok {
		return fmt.Errorf("the etcd peers name the nodes %v, and this is node %d", slices.Sorted(maps.Keys(c.EtcdPeers)), c.NodeID)
	}
	return nil
}

func (c Config) validateMechanisms() error {
	for _, l := range c.Listeners {
		if err := security.CheckMechanisms(l.Mechanisms); err != nil {
			return fmt.Errorf("listener %q: %w", l.Name, err)
		}
		switch {
		case l.Protocol.Authenticates() && len(l.Mechanisms) == 0:
			return fmt.Errorf("listener %q speaks %s and has no mechanism", l.Name, l.Protocol)
		case !l.Protocol.Authenticates() && len(l.Mechanisms) > 0:
			return fmt.Errorf("listener %q speaks %s, which has no mechanisms", l.Name, l.Protocol)
		}
	}
	return nil
}
