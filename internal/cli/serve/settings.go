package serve

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-log/lockstep/broker/security"
	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// setting is one setting of a broker. Its name is its flag and its
// key in a file; upper-cased behind LOCKSTEP_ it is its variable. Every layer
// gives text, so that one parser serves all of them.
type setting struct {
	name  string
	arg   string // what the value is, in help
	def   string
	usage string
	kafka []string // container variables that mean the same, strongest first
	isOn  bool     // a flag that may stand without a value
	set   func(*serveConfig, string) error
}

func (s *setting) env() string {
	return "LOCKSTEP_" + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
}

// settings is the table of all of them, in the order of the help.
var settings = []setting{
	{name: "node-id", arg: "N", def: "1", usage: "number of this broker, unique in its cluster",
		kafka: []string{"KAFKA_NODE_ID", "KAFKA_BROKER_ID"},
		set:   func(c *serveConfig, v string) error { return parseInt32(v, 0, &c.NodeID) }},
	{name: "data-dir", arg: "DIR", def: "./lockstep-data", usage: "data directory: logs, the lock base and embedded etcd",
		kafka: []string{"KAFKA_LOG_DIRS", "KAFKA_LOG_DIR"}, set: setDataDir},
	{name: "rack", arg: "NAME", usage: "failure zone of this broker",
		kafka: []string{"KAFKA_BROKER_RACK"},
		set:   func(c *serveConfig, v string) error { c.Rack = v; return nil }},
	{name: "listen", arg: "[NAME://]HOST:PORT,...", def: "127.0.0.1:9092", usage: "addresses to accept Kafka clients at",
		kafka: []string{"KAFKA_LISTENERS"},
		set:   func(c *serveConfig, v string) (err error) { c.Listeners, err = parseListeners(v); return err }},
	{name: "advertise", arg: "[NAME://]HOST:PORT,...", usage: "addresses to tell clients, where they are not those of " +
		"--listen",
		kafka: []string{"KAFKA_ADVERTISED_LISTENERS"},
		set:   func(c *serveConfig, v string) (err error) { c.Advertised, err = parseListeners(v); return err }},
	{name: "inter-broker-listener", arg: "NAME", usage: "listener that the other brokers use (default: the first)",
		kafka: []string{"KAFKA_INTER_BROKER_LISTENER_NAME"},
		set:   func(c *serveConfig, v string) error { c.InterBrokerListener = strings.ToLower(v); return nil }},
	{name: "listener-security", arg: "[NAME=]PROTOCOL,...", usage: "what is spoken on the listeners: plaintext, tls, " +
		"sasl_plaintext or sasl_tls (default: as a listener's name says, else plaintext)",
		kafka: []string{envSecurityMap}, set: setSecurity},
	{name: "tls-cert", arg: "[NAME=]FILE,...", usage: "certificate of the listeners that speak TLS, with those between it " +
		"and its CA, in PEM",
		set: setPerListener(func(c *serveConfig) *perListener { return &c.Security.Cert }, anyText)},
	{name: "tls-key", arg: "[NAME=]FILE,...", usage: "its key, in PEM",
		set: setPerListener(func(c *serveConfig) *perListener { return &c.Security.Key }, anyText)},
	{name: "tls-client-ca", arg: "[NAME=]FILE,...", usage: "CAs that sign the certificates of clients, in PEM",
		set: setPerListener(func(c *serveConfig) *perListener { return &c.Security.ClientCA }, anyText)},
	{name: "tls-client-auth", arg: "[NAME=]WHETHER,...", usage: "whether clients show a certificate: none, request or " +
		"required (default: none)",
		kafka: []string{"KAFKA_SSL_CLIENT_AUTH"},
		set:   setPerListener(func(c *serveConfig) *perListener { return &c.Security.ClientAuth }, clientAuth)},
	{name: "tls-ca", arg: "[NAME=]FILE,...", usage: "CAs by which this broker trusts the others (default: tls-client-ca)",
		set: setPerListener(func(c *serveConfig) *perListener { return &c.Security.PeersCAs }, anyText)},
	{name: "tls-principal-mapping", arg: "RULES", usage: "how a user is made of a certificate's name, as Kafka's " +
		"ssl.principal.mapping.rules (default: it is the name)",
		kafka: []string{"KAFKA_SSL_PRINCIPAL_MAPPING_RULES"}, set: setMapping},
	{name: "sasl-mechanisms", arg: "[NAME=]MECHANISM+...,...", usage: "how clients prove who they are: SCRAM-SHA-512, " +
		"SCRAM-SHA-256, PLAIN, OAUTHBEARER (default: SCRAM-SHA-512+SCRAM-SHA-256)", set: setMechanisms},
	{name: "sasl-users-file", arg: "FILE", usage: "users of PLAIN, a line NAME:PASSWORD each",
		set: func(c *serveConfig, v string) error { c.Security.UserFile = v; return nil }},
	{name: "oauth-jwks-url", arg: "URL", usage: "keys that tokens of OAUTHBEARER are signed with",
		kafka: []string{"KAFKA_SASL_OAUTHBEARER_JWKS_ENDPOINT_URL"},
		set:   func(c *serveConfig, v string) error { c.Security.Tokens.JWKSURL = v; return nil }},
	{name: "oauth-issuer", arg: "ISSUER", usage: "who must have issued them",
		kafka: []string{"KAFKA_SASL_OAUTHBEARER_EXPECTED_ISSUER"},
		set:   func(c *serveConfig, v string) error { c.Security.Tokens.Issuer = v; return nil }},
	{name: "oauth-audience", arg: "AUDIENCE,...", usage: "for whom: one of these (default: not looked at)",
		kafka: []string{"KAFKA_SASL_OAUTHBEARER_EXPECTED_AUDIENCE"},
		set:   func(c *serveConfig, v string) error { c.Security.Tokens.Audience = command.SplitList(v); return nil }},
	{name: "oauth-user-claim", arg: "CLAIM", def: "sub", usage: "the claim that is the user's name",
		kafka: []string{"KAFKA_SASL_OAUTHBEARER_SUB_CLAIM_NAME"},
		set:   func(c *serveConfig, v string) error { c.Security.Tokens.UserClaim = v; return nil }},
	{name: "oauth-clock-skew", arg: "SECONDS", def: "30", usage: "by how much clocks may differ",
		kafka: []string{"KAFKA_SASL_OAUTHBEARER_CLOCK_SKEW_SECONDS"}, set: setClockSkew},
	{name: "oauth-unsigned-tokens", arg: "bool", def: "false", usage: "take tokens that nobody has signed, from anybody: " +
		"for tests alone", isOn: true,
		set: func(c *serveConfig, v string) error { return parseBool(v, &c.Security.Tokens.Unsecured) }},
	{name: "max-reauth", arg: "MS", def: "0", usage: "after how many milliseconds clients with SASL must prove again who " +
		"they are (default: never)",
		kafka: []string{"KAFKA_CONNECTIONS_MAX_REAUTH_MS"},
		set:   func(c *serveConfig, v string) error { return parseInt64(v, 0, &c.Security.ReauthMs) }},
	{name: "inter-broker-mechanism", arg: "MECHANISM", def: "SCRAM-SHA-512", usage: "how brokers prove to each other who " +
		"they are, where their listener has SASL: SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN",
		kafka: []string{"KAFKA_SASL_MECHANISM_INTER_BROKER_PROTOCOL"},
		set: func(c *serveConfig, v string) error {
			return parseOneOf(v, &c.Security.PeerMechanism, security.ScramSHA512, security.ScramSHA256, security.Plain)
		}},
	{name: "inter-broker-user", arg: "NAME", usage: "as which user",
		set: func(c *serveConfig, v string) error { c.Security.PeerUser = v; return nil }},
	{name: "inter-broker-password-file", arg: "FILE", usage: "its password, which is read at each connection",
		set: func(c *serveConfig, v string) error { c.Security.PeerPasswordFile = v; return nil }},
	{name: "http", arg: "HOST:PORT", def: "127.0.0.1:9644", usage: "address of health, metrics and the JSON API",
		set: setHTTP},
	{name: "etcd", arg: "HOST:PORT,...", usage: "use this etcd rather than the embedded one",
		set: setEtcd},
	{name: "etcd-peers", arg: "N=http://HOST:PORT,...", usage: "embedded etcd: its member in each broker",
		set: setEtcdPeers},
	{name: "join", arg: "HOST:PORT", usage: "become a broker of the cluster of which one broker's Kafka listener is there",
		set: setJoin},
	{name: "etcd-listen", arg: "HOST:PORT", usage: "where other brokers reach this one's etcd, once there are others " +
		"(default: port 2380, or a free one)",
		set: setEtcdListen},
	{name: "etcd-cert", arg: "FILE", usage: "certificate to show to etcd, outside or in the other brokers, in PEM",
		set: func(c *serveConfig, v string) error { c.EtcdTLS.Cert = v; return nil }},
	{name: "etcd-key", arg: "FILE", usage: "its key, in PEM",
		set: func(c *serveConfig, v string) error { c.EtcdTLS.Key = v; return nil }},
	{name: "etcd-ca", arg: "FILE", usage: "CA by which etcd is trusted, and which signs what its members show, in PEM",
		set: func(c *serveConfig, v string) error { c.EtcdTLS.CA = v; return nil }},
	{name: "topics", arg: "NAME[:PARTITIONS],...", usage: "topics to create at start, before ready",
		set: setTopics},
	{name: "auto-create-topics", arg: "bool", def: "true", usage: "create a topic when a client first names it",
		isOn:  true,
		kafka: []string{"KAFKA_AUTO_CREATE_TOPICS_ENABLE"},
		set:   func(c *serveConfig, v string) error { return parseBool(v, &c.AutoCreateTopics) }},
	{name: "num-partitions", arg: "N", def: "1", usage: "partitions of a topic created without a count",
		kafka: []string{"KAFKA_NUM_PARTITIONS"},
		set:   func(c *serveConfig, v string) error { return parseInt32(v, 1, &c.NumPartitions) }},
	{name: "default-replicas", arg: "N", usage: "replicas of a topic created without a number (default: 3, or as many " +
		"as etcd-peers names; else 1)",
		kafka: []string{"KAFKA_DEFAULT_REPLICATION_FACTOR"},
		set:   func(c *serveConfig, v string) error { return parseInt32(v, 1, &c.DefaultReplicas) }},
	{name: "replication-throttle", arg: "BYTES", def: "0", usage: "what replicas that catch up get of this broker in a " +
		"second (default: no bound)",
		set: func(c *serveConfig, v string) error { return parseInt64(v, 0, &c.Throttle) }},
	{name: "group-rebalance-delay", arg: "MS", def: "500", usage: "how long an empty consumer group waits for more " +
		"members, in milliseconds",
		kafka: []string{"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS"},
		set:   func(c *serveConfig, v string) error { return parseInt32(v, 0, &c.GroupDelayMs) }},
	{name: "offsets-partitions", arg: "N", def: "50", usage: "partitions of __consumer_offsets, when it is created",
		kafka: []string{"KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS"},
		set:   func(c *serveConfig, v string) error { return parseInt32(v, 1, &c.OffsetsPartitions) }},
	{name: "offsets-replicas", arg: "N", def: "3",
		usage: "replicas of __consumer_offsets, or as many as there are brokers",
		kafka: []string{"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR"},
		set:   func(c *serveConfig, v string) error { return parseInt32(v, 1, &c.OffsetsReplicas) }},
	{name: "cluster-id", arg: "ID", usage: "name of the cluster (default: made at first start)",
		kafka: []string{"CLUSTER_ID", "KAFKA_CLUSTER_ID", "KAFKA_KRAFT_CLUSTER_ID"},
		set:   func(c *serveConfig, v string) error { c.ClusterID = v; return nil }},
	{name: "topic-defaults", arg: "KEY=VALUE,...", usage: "topic settings where a topic sets nothing itself",
		set: setTopicDefaults},
	{name: "authorizer", arg: "on|off", def: "off", usage: "whether ACLs decide who may do what; without them everybody may do " +
		"everything",
		kafka: []string{"KAFKA_AUTHORIZER_CLASS_NAME"}, set: setAuthorizer},
	{name: "super-users", arg: "KIND:NAME;...", usage: "who may do everything whatever the ACLs say, as User:admin; the " +
		"brokers among them",
		kafka: []string{"KAFKA_SUPER_USERS"}, set: setSuperUsers},
	{name: "allow-if-no-acl", arg: "bool", def: "false", usage: "allow everybody what no ACL speaks of", isOn: true,
		kafka: []string{"KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND"},
		set:   func(c *serveConfig, v string) error { return parseBool(v, &c.Access.allowIfNone) }},
	{name: "authorizer-on-plaintext", arg: "bool", def: "false", usage: "with authorizer=on, bind a plaintext listener that " +
		"others can reach all the same: all who come there are one user, ANONYMOUS", isOn: true,
		set: func(c *serveConfig, v string) error { return parseBool(v, &c.Access.plaintext) }},
	{name: "audit-log", arg: "FILE", usage: "write who was denied what, a line of JSON each, to this file; - is standard " +
		"error",
		set: func(c *serveConfig, v string) error { c.Access.auditFile = v; return nil }},
	{name: "audit-allowed", arg: "bool", def: "false", usage: "write what was allowed as well", isOn: true,
		set: func(c *serveConfig, v string) error { return parseBool(v, &c.Access.auditAllowed) }},
	{name: "metrics-lock-names", arg: "bool", def: "false", usage: "with authorizer=on, let metrics name the most refused " +
		"locks", isOn: true,
		set: func(c *serveConfig, v string) error { return parseBool(v, &c.Access.metricsLockNames) }},
	{name: "log-format", arg: "FORMAT", def: "auto", usage: "text, json, or auto: text on a terminal",
		set: func(c *serveConfig, v string) error { return parseOneOf(v, &c.LogFormat, "auto", "text", "json") }},
	{name: "log-level", arg: "LEVEL", def: "info", usage: "debug, info, warn or error",
		set: func(c *serveConfig, v string) error {
			return parseOneOf(v, &c.LogLevel, "debug", "info", "warn", "error")
		}},
}

// unnamed is the name of a listener that was given without one.
const unnamed = "default"

func setDataDir(c *serveConfig, v string) error {
	switch {
	case v == "":
		return errors.New("want a directory")
	case strings.Contains(v, ","):
		return errors.New("want one directory; several are not supported")
	}
	c.DataDir = v
	return nil
}

func setHTTP(c *serveConfig, v string) error {
	if _, err := command.ParseHostPort(v); err != nil {
		return err
	}
	c.HTTPAddr = v
	return nil
}

func setEtcd(c *serveConfig, v string) error {
	for _, item := range command.SplitList(v) {
		addr := strings.TrimPrefix(strings.TrimPrefix(item, "https://"), "http://")
		if _, err := command.ParseHostPort(addr); err != nil {
			return err
		}
		c.Etcd = append(c.Etcd, item)
	}
	secure := func(item string) bool { return strings.HasPrefix(item, "https://") }
	if slices.ContainsFunc(c.Etcd, secure) &&
		slices.ContainsFunc(c.Etcd, func(item string) bool { return !secure(item) }) {
		return errors.New("want https:// before all of them or before none: etcd is spoken to in one way")
	}
	return nil
}

func setEtcdPeers(c *serveConfig, v string) error {
	for _, item := range command.SplitList(v) {
		id, raw, ok := strings.Cut(item, "=")
		if !ok {
			return fmt.Errorf("want N=http://HOST:PORT or N=https://HOST:PORT, got %q", item)
		}
		peer := etcdPeer{URL: raw}
		if err := parseInt32(id, 0, &peer.ID); err != nil {
			return fmt.Errorf("node id %q: %w", id, err)
		}
		u, err := url.Parse(raw)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Port() == "" || u.Hostname() == "" {
			return fmt.Errorf("want http://HOST:PORT or https://HOST:PORT for node %s, got %q", id, raw)
		}
		if slices.ContainsFunc(c.EtcdPeers, func(p etcdPeer) bool { return p.ID == peer.ID }) {
			return fmt.Errorf("node %d is named twice", peer.ID)
		}
		c.EtcdPeers = append(c.EtcdPeers, peer)
	}
	return nil
}

func setJoin(c *serveConfig, v string) error {
	if _, err := command.ParseHostPort(v); err != nil {
		return err
	}
	c.Join = v
	return nil
}

func setEtcdListen(c *serveConfig, v string) error {
	if _, err := command.ParseHostPort(v); err != nil {
		return err
	}
	c.EtcdListen = v
	return nil
}

func setTopics(c *serveConfig, v string) error {
	for _, item := range command.SplitList(v) {
		name, count, counted := strings.Cut(item, ":")
		spec := topicSpec{Name: name, Partitions: 1}
		if name == "" {
			return fmt.Errorf("want NAME or NAME:PARTITIONS, got %q", item)
		}
		if counted {
			if err := parseInt32(count, 1, &spec.Partitions); err != nil {
				return fmt.Errorf("partitions of %s: %w", name, err)
			}
		}
		if slices.ContainsFunc(c.Topics, func(t topicSpec) bool { return t.Name == name }) {
			return fmt.Errorf("topic %s is named twice", name)
		}
		c.Topics = append(c.Topics, spec)
	}
	return nil
}

// setTopicDefaults reads k=v pairs. A value may hold commas, as
// cleanup.policy=compact,delete does: what has no "=" belongs to the value
// before it.
func setTopicDefaults(c *serveConfig, v string) error {
	var last string
	for _, item := range command.SplitList(v) {
		key, value, ok := strings.Cut(item, "=")
		switch {
		case ok && key != "":
			c.TopicDefaults[key], last = value, key
		case !ok && last != "":
			c.TopicDefaults[last] += "," + item
		default:
			return fmt.Errorf("want KEY=VALUE, got %q", item)
		}
	}
	return nil
}

func parseListeners(v string) ([]listener, error) {
	var ls []listener
	for _, item := range command.SplitList(v) {
		l, err := parseListener(item)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(ls, func(o listener) bool { return o.Name == l.Name }) {
			return nil, fmt.Errorf("two listeners are named %q; give each a name, as in internal://HOST:PORT", l.Name)
		}
		ls = append(ls, l)
	}
	if len(ls) == 0 {
		return nil, errors.New("want at least one [NAME://]HOST:PORT")
	}
	return ls, nil
}

func parseListener(item string) (listener, error) {
	name, addr, named := strings.Cut(item, "://")
	if !named {
		name, addr = unnamed, item
	}
	if name == "" {
		return listener{}, fmt.Errorf("want a name before :// in %q", item)
	}
	at, err := command.ParseHostPort(addr)
	return listener{Name: strings.ToLower(name), HostPort: at}, err
}

func parseInt32(v string, least int32, to *int32) error {
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil || int32(n) < least {
		return fmt.Errorf("want a number from %d", least)
	}
	*to = int32(n)
	return nil
}

func parseInt64(v string, least int64, to *int64) error {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < least {
		return fmt.Errorf("want a number from %d", least)
	}
	*to = n
	return nil
}

func parseBool(v string, to *bool) error {
	b, err := strconv.ParseBool(v)
	if err != nil {
		return errors.New("want true or false")
	}
	*to = b
	return nil
}

func parseOneOf(v string, to *string, allowed ...string) error {
	if !slices.Contains(allowed, v) {
		return fmt.Errorf("want one of %s", strings.Join(allowed, ", "))
	}
	*to = v
	return nil
}
