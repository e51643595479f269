package serve

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-log/lockstep/broker"
	"github.com/lockstep-log/lockstep/broker/security"
	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// serveConfig is the settings of one broker, from whatever layer they came. The
// zero value is not ready: loadConfig fills in the defaults and checks it.
type serveConfig struct {
	NodeID    int32
	DataDir   string
	Temporary bool // dev: DataDir is deleted when the broker stops
	Rack      string

	Listeners           []listener // where to bind, at least one, names unique
	Advertised          []listener // one per listener, same order; port 0 means the port that was bound
	InterBrokerListener string     // a name in Listeners
	Security            securityConfig

	Access accessConfig // who may do what

	HTTPAddr string // host:port

	Etcd      []string // endpoints of an outside etcd; empty means embedded
	EtcdTLS   broker.EtcdTLS
	EtcdPeers []etcdPeer // members of the embedded etcd, this node among them; empty means it is alone

	Join       string // a broker of the cluster to become one of; empty means none
	EtcdListen string // where the embedded etcd is reached by other brokers; empty means it finds a port

	Topics           []topicSpec // to be there before the broker says it is ready
	AutoCreateTopics bool
	NumPartitions    int32 // of a topic created without a count
	Throttle         int64 // bytes a second to replicas that are not in sync; 0 means no bound
	DefaultReplicas  int32 // of a topic created without a number; 0 means what fits the cluster
	ClusterID        string
	Version          string // of the program

	GroupDelayMs      int32 // that an empty consumer group waits for more members
	Groups            groupLimits
	OffsetsPartitions int32 // of __consumer_offsets, when it is created
	OffsetsReplicas   int32
	TopicDefaults     map[string]string // topic settings, Kafka's names

	LogFormat string // auto, text or json
	LogLevel  string // debug, info, warn or error

	Kafka kafkaLimits

	// Ignored names the environment variables that look meant for a broker and
	// that nobody knows, in order; Idle those of Kafka on which nothing depends.
	Ignored, Idle []string
}

// listener is a named address: one to bind, or one to tell clients.
type listener struct {
	Name string // lower case
	command.HostPort
	Protocol security.Protocol
	TLS      security.TLSFiles // where Protocol encrypts

	Mechanisms string // of SASL, separated by +; where Protocol authenticates
}

func (l listener) String() string { return l.Name + "://" + l.Addr() }

// etcdPeer is one member of the etcd that the brokers embed.
type etcdPeer struct {
	ID  int32
	URL string // http://host:port
}

// topicSpec is a topic that must exist.
type topicSpec struct {
	Name       string
	Partitions int32
}

// check holds the rules that no setting can judge alone, and completes what
// follows from other settings. from tells where a setting got its value.
func (c *serveConfig) check(from func(name string) string) error {
	if err := c.checkEtcd(from); err != nil {
		return err
	}
	if err := c.advertise(from); err != nil {
		return err
	}
	if err := c.checkAccess(from); err != nil {
		return err
	}
	return c.chooseInterBroker(from)
}

func (c *serveConfig) checkEtcd(from func(string) string) error {
	if len(c.Etcd) > 0 && len(c.EtcdPeers) > 0 {
		return fmt.Errorf("%s and %s exclude each other: an outside etcd, or one embedded in the brokers", from("etcd"),
			from("etcd-peers"))
	}
	for _, other := range []string{"etcd", "etcd-peers"} {
		if c.Join != "" && (other == "etcd" && len(c.Etcd) > 0 || other == "etcd-peers" && len(c.EtcdPeers) > 0) {
			return fmt.Errorf("%s and %s exclude each other: who joins is told where the metadata is", from("join"), from(other))
		}
	}
	if err := c.checkEtcdTLS(from); err != nil {
		return err
	}
	if len(c.EtcdPeers) == 0 {
		return nil
	}
	if !slices.ContainsFunc(c.EtcdPeers, func(p etcdPeer) bool { return p.ID == c.NodeID }) {
		return fmt.Errorf("%s does not name this broker, %s", from("etcd-peers"), from("node-id"))
	}
	return nil
}

// checkEtcdTLS wants https:// and certificates together: members of etcd show each other
// theirs, and an outside etcd may be trusted by the system's CAs.
func (c *serveConfig) checkEtcdTLS(from func(string) string) error {
	secure := 0
	for _, p := range c.EtcdPeers {
		if strings.HasPrefix(p.URL, "https://") {
			secure++
		}
	}
	outside := len(c.Etcd) > 0 && strings.HasPrefix(c.Etcd[0], "https://")
	t := c.EtcdTLS
	switch complete := t.Cert != "" && t.Key != "" && t.CA != ""; {
	case secure > 0 && secure < len(c.EtcdPeers):
		return fmt.Errorf("%s: want https:// before all of them or before none", from("etcd-peers"))
	case secure > 0 && !complete:
		return fmt.Errorf("%s: its members show each other certificates: set etcd-cert, etcd-key and etcd-ca", from("etcd-peers"))
	case (t.Cert == "") != (t.Key == ""):
		return fmt.Errorf("etcd-cert and etcd-key go together: %s, %s", from("etcd-cert"), from("etcd-key"))
	case t == (broker.EtcdTLS{}):
	case !outside && !complete: // alone until others join
		return fmt.Errorf("members of etcd show each other certificates: set all of etcd-cert, etcd-key and etcd-ca")
	case len(c.Etcd) > 0 && !outside, len(c.EtcdPeers) > 0 && secure == 0:
		return fmt.Errorf("etcd-cert, etcd-key and etcd-ca are of no use: etcd is not reached by https://")
	}
	return nil
}

// advertise pairs each listener with what its clients are told.
func (c *serveConfig) advertise(from func(string) string) error {
	given := c.Advertised
	if len(c.Listeners) == 1 && len(given) == 1 && given[0].Name == unnamed {
		given[0].Name = c.Listeners[0].Name
	}
	for _, a := range given {
		if !slices.ContainsFunc(c.Listeners, func(l listener) bool { return l.Name == a.Name }) {
			return fmt.Errorf("%s advertises %q, which is no listener; %s", from("advertise"), a.Name, from("listen"))
		}
		if a.Wildcard() {
			return fmt.Errorf("%s: clients cannot be sent to %s; name an address that they can reach", from("advertise"), a)
		}
	}
	c.Advertised = make([]listener, len(c.Listeners))
	for i, l := range c.Listeners {
		c.Advertised[i] = l
		if at := slices.IndexFunc(given, func(a listener) bool { return a.Name == l.Name }); at >= 0 {
			c.Advertised[i] = given[at]
		} else if l.Wildcard() {
			return fmt.Errorf("%s binds every interface at %s and says nothing of what to tell clients; set advertise to an "+
				"address that they can reach", from("listen"), l)
		}
	}
	return nil
}

func (c *serveConfig) chooseInterBroker(from func(string) string) error {
	if c.InterBrokerListener == "" {
		c.InterBrokerListener = c.Listeners[0].Name
		return nil
	}
	if !slices.ContainsFunc(c.Listeners, func(l listener) bool { return l.Name == c.InterBrokerListener }) {
		return fmt.Errorf("%s is no listener; %s", from("inter-broker-listener"), from("listen"))
	}
	return nil
}
