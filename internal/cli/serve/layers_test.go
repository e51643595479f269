package serve

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/broker/security"
	"github.com/lockstep-log/lockstep/internal/cli/command"
)

func at(host string, port uint16) command.HostPort { return command.HostPort{Host: host, Port: port} }

// load merges layers as serve would: flags and environment as key=value lines.
func load(t *testing.T, flags, environ []string, file string) (serveConfig, error) {
	t.Helper()
	path := ""
	if file != "" {
		path = filepath.Join(t.TempDir(), "lockstep.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	typed := map[string]string{}
	for _, kv := range flags {
		k, v, _ := strings.Cut(kv, "=")
		typed[k] = v
	}
	return loadConfig(typed, environ, path)
}

func mustLoad(t *testing.T, flags, environ []string, file string) serveConfig {
	t.Helper()
	c, err := load(t, flags, environ, file)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// securityDefaults are what is there where nothing asks for security.
var securityDefaults = securityConfig{
	Tokens: security.TokenOptions{UserClaim: "sub", ClockSkew: 30 * time.Second}, PeerMechanism: "SCRAM-SHA-512",
}

func TestWithNothingSaidABrokerListensOnLoopbackAndEmbedsEtcd(t *testing.T) {
	loopback := []listener{{Name: "default", HostPort: at("127.0.0.1", 9092)}}
	want := serveConfig{
		NodeID: 1, DataDir: "./lockstep-data",
		Listeners: loopback, Advertised: loopback, InterBrokerListener: "default",
		HTTPAddr: "127.0.0.1:9644", AutoCreateTopics: true, NumPartitions: 1,
		GroupDelayMs: 500, OffsetsPartitions: 50, OffsetsReplicas: 3,
		TopicDefaults: map[string]string{}, LogFormat: "auto", LogLevel: "info",
		Security: securityDefaults,
	}
	if got := mustLoad(t, nil, []string{"HOME=/root", "KAFKA_NODE_ID="}, ""); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestTheStrongestLayerDecides takes layers away one by one, from the top.
func TestTheStrongestLayerDecides(t *testing.T) {
	flags := []string{"node-id=1"}
	environ := []string{"KAFKA_BROKER_ID=4", "KAFKA_NODE_ID=3", "LOCKSTEP_NODE_ID=2"}
	const file = "node-id: 5\n"
	for want := range int32(5) {
		if got := mustLoad(t, flags, environ, file).NodeID; got != want+1 {
			t.Errorf("got node %d from %q and %q, want %d", got, flags, environ, want+1)
		}
		if flags != nil {
			flags = nil
		} else if len(environ) > 0 {
			environ = environ[:len(environ)-1]
		}
	}
}

func TestNodeZeroIsNodeZeroFromEveryLayer(t *testing.T) {
	for _, c := range []struct {
		flags, environ []string
		file           string
	}{
		{flags: []string{"node-id=0"}},
		{environ: []string{"LOCKSTEP_NODE_ID=0"}},
		{environ: []string{"KAFKA_NODE_ID=0"}},
		{environ: []string{"KAFKA_BROKER_ID=0"}},
		{file: "node-id: 0\n"},
		{flags: []string{"node-id=0", "etcd-peers=0=http://a:1,1=http://b:1,2=http://c:1"}},
	} {
		cfg := mustLoad(t, c.flags, c.environ, c.file)
		made := cfg.broker(slog.New(slog.DiscardHandler))
		if cfg.NodeID != 0 || made.NodeID != 0 {
			t.Errorf("%+v: node %d, and the broker %d", c, cfg.NodeID, made.NodeID)
		}
		if _, ok := made.EtcdPeers[0]; len(cfg.EtcdPeers) > 0 && !ok {
			t.Errorf("%+v: etcd peers %v", c, made.EtcdPeers)
		}
	}
}

func TestEverySettingMayComeFromFlagEnvironmentOrFile(t *testing.T) {
	values := map[string]string{
		"node-id": "7", "data-dir": "/d", "rack": "r", "listen": "in://a:1,out://b:2", "advertise": "out://c:3",
		"inter-broker-listener": "in", "http": "h:4", "etcd": "e:5", "etcd-cert": "ec", "etcd-key": "ek", "etcd-ca": "eca", "etcd-peers": "7=http://p:6", "join": "j:9092", "etcd-listen": "p:7",
		"default-replicas": "2", "replication-throttle": "1000000", "topics": "x:3,y", "auto-create-topics": "false",
		"num-partitions": "8", "cluster-id": "c",
		"group-rebalance-delay": "0", "offsets-partitions": "9", "offsets-replicas": "2",
		"topic-defaults": "cleanup.policy=compact,delete,retention.ms=1", "log-format": "json", "log-level": "warn",
		"listener-security": "sasl_tls", "tls-cert": "c", "tls-key": "k", "tls-client-ca": "ca", "tls-client-auth": "required",
		"tls-ca": "peers", "tls-principal-mapping": "DEFAULT", "sasl-mechanisms": "PLAIN,OAUTHBEARER,SCRAM-SHA-256",
		"sasl-users-file": "u", "oauth-jwks-url": "https://id.example/keys", "oauth-issuer": "https://id.example",
		"oauth-audience": "a,b", "oauth-user-claim": "email", "oauth-clock-skew": "10", "oauth-unsigned-tokens": "true",
		"max-reauth": "3600000", "inter-broker-mechanism": "SCRAM-SHA-256", "inter-broker-user": "b",
		"inter-broker-password-file": "p",
		"authorizer":                 "on", "super-users": "User:a;User:CN=b,O=c", "allow-if-no-acl": "true", "authorizer-on-plaintext": "true",
		"audit-log": "-", "audit-allowed": "true", "metrics-lock-names": "true",
	}
	for _, s := range settings {
		value, ok := values[s.name]
		if !ok {
			t.Errorf("setting %s has no example here", s.name)
		}
		flags := []string{s.name + "=" + value}
		switch s.name {
		case "advertise", "inter-broker-listener":
			flags = append(flags, "listen="+values["listen"])
		case "super-users", "allow-if-no-acl", "audit-log":
			flags = append(flags, "authorizer=on")
		case "etcd-peers":
			flags = append(flags, "node-id=7")
		case "etcd-cert", "etcd-key", "etcd-ca":
			flags = append(flags, "etcd=https://e:5", "etcd-cert=ec", "etcd-key=ek")
		case "oauth-unsigned-tokens":
			flags = append(flags, "listener-security=sasl_plaintext", "sasl-mechanisms=OAUTHBEARER")
		default:
			flags = append(flags, withSecurity(s.name, values)...)
		}
		byFlag := mustLoad(t, flags, nil, "")
		var environ []string
		var file strings.Builder
		for _, kv := range flags {
			k, v, _ := strings.Cut(kv, "=")
			environ = append(environ, settingNamed(k).env()+"="+v)
			file.WriteString(k + ": \"" + v + "\"\n")
		}
		if byEnv := mustLoad(t, nil, environ, ""); !reflect.DeepEqual(byEnv, byFlag) {
			t.Errorf("%s by environment: got %+v, want %+v", s.name, byEnv, byFlag)
		}
		if byFile := mustLoad(t, nil, nil, file.String()); !reflect.DeepEqual(byFile, byFlag) {
			t.Errorf("%s by file: got %+v, want %+v", s.name, byFile, byFlag)
		}
	}
}

// withSecurity are the settings that one of security cannot stand without.
func withSecurity(name string, values map[string]string) (flags []string) {
	needed := []string{"listener-security", "tls-cert", "tls-key", "tls-client-ca", "sasl-mechanisms", "sasl-users-file",
		"oauth-jwks-url", "oauth-issuer", "inter-broker-mechanism", "inter-broker-user", "inter-broker-password-file"}
	for _, prefix := range []string{"tls-", "sasl-", "oauth-", "max-reauth", "listener-security", "inter-broker-"} {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		for _, n := range needed {
			if n != name {
				flags = append(flags, n+"="+values[n])
			}
		}
	}
	return flags
}

func TestAFileMayUseListsAndMaps(t *testing.T) {
	c := mustLoad(t, nil, nil, `
node-id: 2
listen: [internal://0.0.0.0:9092, external://0.0.0.0:19092]
advertise:
  internal: b2:9092
  external: localhost:19092
etcd-peers:
  1: http://b1:2380
  2: http://b2:2380
topics: {accounts: 3, limits: 1}
topic-defaults:
  cleanup.policy: compact,delete
  segment.bytes: 1048576
rack:
`)
	want := []listener{{Name: "internal", HostPort: at("b2", 9092)}, {Name: "external", HostPort: at("localhost", 19092)}}
	if !slices.Equal(c.Advertised, want) {
		t.Errorf("advertised %v, want %v", c.Advertised, want)
	}
	if want := []etcdPeer{{1, "http://b1:2380"}, {2, "http://b2:2380"}}; !slices.Equal(c.EtcdPeers, want) {
		t.Errorf("peers %v, want %v", c.EtcdPeers, want)
	}
	if want := []topicSpec{{"accounts", 3}, {"limits", 1}}; !slices.Equal(c.Topics, want) {
		t.Errorf("topics %v, want %v", c.Topics, want)
	}
	if want := map[string]string{"cleanup.policy": "compact,delete",
		"segment.bytes": "1048576"}; !reflect.DeepEqual(c.TopicDefaults, want) {
		t.Errorf("topic defaults %v, want %v", c.TopicDefaults, want)
	}
}

// TestAKafkaContainersVariablesAreUnderstood is the usual compose file.
func TestAKafkaContainersVariablesAreUnderstood(t *testing.T) {
	c := mustLoad(t, nil, []string{
		"KAFKA_NODE_ID=1",
		"KAFKA_PROCESS_ROLES=broker,controller",
		"KAFKA_LISTENERS=PLAINTEXT://:29092,CONTROLLER://:9093,PLAINTEXT_HOST://0.0.0.0:9092",
		"KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://broker:29092,PLAINTEXT_HOST://localhost:9092",
		"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PLAINTEXT_HOST:PLAINTEXT,SSL:SSL",
		"KAFKA_INTER_BROKER_LISTENER_NAME=PLAINTEXT",
		"KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER",
		"CLUSTER_ID=MkU3OEVBNTcwNTJENDM2Qk",
		"KAFKA_LOG_DIRS=/tmp/kraft-combined-logs",
		"KAFKA_AUTO_CREATE_TOPICS_ENABLE=false",
		"KAFKA_NUM_PARTITIONS=3",
		"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1",
		"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS=0",
		"KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS=1000",
		"KAFKA_GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS=2000",
		"KAFKA_LOG_RETENTION_HOURS=2",
		"KAFKA_LOG_RETENTION_MINUTES=1",
		"KAFKA_LOG_RETENTION_BYTES=-1",
		"KAFKA_HEAP_OPTS=-Xmx1g",
		"LOCKSTEP_PORT_9092_TCP=tcp://10.0.0.1:9092",
	}, "")
	mapped := securityDefaults
	mapped.Protocols = perListener{"controller": "PLAINTEXT", "plaintext": "PLAINTEXT", "plaintext_host": "PLAINTEXT", "ssl": "SSL"}
	want := serveConfig{
		NodeID: 1, DataDir: "/tmp/kraft-combined-logs",
		Listeners:           []listener{{Name: "plaintext", HostPort: at("", 29092)}, {Name: "plaintext_host", HostPort: at("0.0.0.0", 9092)}},
		Advertised:          []listener{{Name: "plaintext", HostPort: at("broker", 29092)}, {Name: "plaintext_host", HostPort: at("localhost", 9092)}},
		InterBrokerListener: "plaintext", HTTPAddr: "127.0.0.1:9644",
		NumPartitions: 3, ClusterID: "MkU3OEVBNTcwNTJENDM2Qk",
		OffsetsPartitions: 50, OffsetsReplicas: 1, Groups: groupLimits{SessionMinMs: 1000, ConsumerBeatMs: 2000},
		TopicDefaults: map[string]string{"retention.ms": "60000", "retention.bytes": "-1"},
		LogFormat:     "auto", LogLevel: "info",
		Security: mapped,
		Idle:     []string{"KAFKA_HEAP_OPTS", "LOCKSTEP_PORT_9092_TCP"},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestKafkasRetentionWinsOverTheFileAndLosesToTopicDefaultsSaidCloser(t *testing.T) {
	const file = "topic-defaults: {retention.ms: 5, segment.bytes: 6000}\n"
	environ := []string{"KAFKA_LOG_RETENTION_MS=1"}
	if got := mustLoad(t, nil, environ, file).TopicDefaults; got["retention.ms"] != "1" || got["segment.bytes"] != "6000" {
		t.Errorf("over a file: %v", got)
	}
	if got := mustLoad(t, []string{"topic-defaults=retention.ms=2"}, environ,
		file).TopicDefaults; got["retention.ms"] != "2" {
		t.Errorf("under a flag: %v", got)
	}
}

// TestAConfigErrorNamesTheSettingItsValueAndItsOrigin is what a person needs
// to mend it. Port 0 is whatever is free.
func TestAConfigErrorNamesTheSettingItsValueAndItsOrigin(t *testing.T) {
	for _, c := range []struct {
		flags, environ []string
		file           string
		want           string
	}{
		{flags: []string{"node-id=-1"}, want: `setting node-id = "-1" (flag --node-id): want a number from 0`},
		{flags: []string{"node-id=5000000000"},
			want: `setting node-id = "5000000000" (flag --node-id): want a number from 0`},
		{environ: []string{"KAFKA_BROKER_ID=x"},
			want: `setting node-id = "x" (environment variable KAFKA_BROKER_ID): want a number from 0`},
		{environ: []string{"LOCKSTEP_HTTP=9644"},
			want: `setting http = "9644" (environment variable LOCKSTEP_HTTP): want HOST:PORT, got "9644"`},
		{environ: []string{"KAFKA_LOG_DIRS=/a,/b"},
			want: `setting data-dir = "/a,/b" (environment variable KAFKA_LOG_DIRS): want one directory; several are not supported`},
		{environ: []string{"KAFKA_LOG_RETENTION_HOURS=week"},
			want: `setting log.retention.hours = "week" (environment variable KAFKA_LOG_RETENTION_HOURS): Invalid value week for configuration log.retention.hours: Not a number`},
		{environ: []string{"KAFKA_LOG_RETENTION_MINUTES=0"},
			want: `setting log.retention.minutes = "0" (environment variable KAFKA_LOG_RETENTION_MINUTES): Invalid value 0 for configuration log.retention.minutes: must be unlimited (-1)`},
		{environ: []string{"KAFKA_GROUP_MAX_SIZE=0"},
			want: `setting group.max.size = "0" (environment variable KAFKA_GROUP_MAX_SIZE): want a number from 1`},
		{file: "rack: a\nnum-partitions: many\n", want: `line 2): want a number from 1`},
		{file: "num_partitions: 3\n", want: `setting num_partitions (FILE line 1) is unknown; did you mean num-partitions?`},
		{file: "quorum: 3\n", want: `setting quorum (FILE line 1) is unknown`},
		{file: "listen: {a: [b]}\n", want: `setting listen (FILE line 1): want plain values in the map at line 1`},
		{file: "- a\n", want: `want settings as name: value`},
		{file: "rack: a\n---\ntls-cert: /x\n", want: `want one document of settings, and another begins at line 2`},
		{flags: []string{"listen=:65536"}, want: `want a port from 0 to 65535, got "65536"`},
		{flags: []string{"listen=127.0.0.1:1,127.0.0.1:2"},
			want: `two listeners are named "default"; give each a name, as in internal://HOST:PORT`},
		{flags: []string{"listen= , "}, want: `want at least one [NAME://]HOST:PORT`},
		{flags: []string{"listen=0.0.0.0:9092"},
			want: `setting listen = "0.0.0.0:9092" (flag --listen) binds every interface at default://0.0.0.0:9092 and says nothing of what to tell clients`},
		{flags: []string{"listen=[::]:9092", "advertise=0.0.0.0:9092"},
			want: `setting advertise = "0.0.0.0:9092" (flag --advertise): clients cannot be sent to default://0.0.0.0:9092`},
		{flags: []string{"advertise=out://a:1"},
			want: `setting advertise = "out://a:1" (flag --advertise) advertises "out", which is no listener; setting listen = "127.0.0.1:9092" (default)`},
		{flags: []string{"inter-broker-listener=x"},
			want: `setting inter-broker-listener = "x" (flag --inter-broker-listener) is no listener`},
		{flags: []string{"etcd=a:1"}, environ: []string{"LOCKSTEP_ETCD_PEERS=1=http://b:2"},
			want: `setting etcd = "a:1" (flag --etcd) and setting etcd-peers = "1=http://b:2" (environment variable LOCKSTEP_ETCD_PEERS) exclude each other`},
		{flags: []string{"etcd-peers=2=http://b:2"}, want: `does not name this broker, setting node-id = "1" (default)`},
		{flags: []string{"etcd-peers=1=http://b:2,1=http://c:2"}, want: `node 1 is named twice`},
		{flags: []string{"etcd-peers=1=b:2"}, want: `want http://HOST:PORT or https://HOST:PORT for node 1, got "b:2"`},
		{flags: []string{"topics=a:0"}, want: `partitions of a: want a number from 1`},
		{flags: []string{"topics=a,a:2"}, want: `topic a is named twice`},
		{flags: []string{"topic-defaults=nosuch=1"},
			want: `setting topic-defaults = "nosuch=1" (flag --topic-defaults): Unknown topic config name: nosuch`},
		{file: "topic-defaults: {retention.ms: week}\n",
			want: `line 1): Invalid value week for configuration retention.ms: Not a number of type LONG`},
		{environ: []string{"KAFKA_LISTENERS=PLAINTEXT://127.0.0.1:1", "KAFKA_CFG_LISTENERS=SSL://127.0.0.1:1"},
			want: `environment variables KAFKA_LISTENERS and KAFKA_CFG_LISTENERS differ; set one of them`},
		{flags: []string{"topic-defaults=compact"}, want: `want KEY=VALUE, got "compact"`},
		{flags: []string{"auto-create-topics=maybe"}, want: `want true or false`},
		{flags: []string{"log-level=loud"}, want: `want one of debug, info, warn, error`},
		{environ: []string{"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=DEFAULT:SASL_SSL"},
			want: `listener default speaks sasl_tls and has no certificate: set tls-cert and tls-key`},
		{environ: []string{"LOCKSTEP_CONFIG=/nowhere.yaml"}, want: `setting config: open /nowhere.yaml`},
	} {
		_, err := load(t, c.flags, c.environ, c.file)
		if err == nil {
			t.Errorf("%q %q %q: no error, want %q", c.flags, c.environ, c.file, c.want)
			continue
		}
		got := withoutPath(err.Error())
		if !strings.Contains(got, c.want) {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// withoutPath puts FILE where the test's own file stands.
func withoutPath(s string) string {
	before, rest, ok := strings.Cut(s, "(/")
	if !ok {
		return s
	}
	_, after, ok := strings.Cut(rest, ".yaml")
	if !ok {
		return s
	}
	return before + "(FILE" + after
}

func TestOneListenerMayBeAdvertisedWithoutItsName(t *testing.T) {
	c := mustLoad(t, []string{"listen=internal://0.0.0.0:9092", "advertise=example.org:19092"}, nil, "")
	if want := []listener{{Name: "internal", HostPort: at("example.org", 19092)}}; !slices.Equal(c.Advertised, want) {
		t.Errorf("advertised %v, want %v", c.Advertised, want)
	}
}
