package serve

import (
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/broker"
	registry "github.com/lockstep-log/lockstep/coordinator/settings"
)

// made is the broker's configuration of some variables.
func made(t *testing.T, environ ...string) (broker.Config, error) {
	t.Helper()
	c, err := load(t, nil, environ, "")
	if err != nil {
		return broker.Config{}, err
	}
	return c.broker(slog.New(slog.DiscardHandler)), nil
}

func TestTheVariablesOfKafkasImagesAreCarriedOut(t *testing.T) {
	defaults := func(name, value string) func(*broker.Config) bool {
		return func(c *broker.Config) bool { return maps.Equal(c.TopicDefaults, map[string]string{name: value}) }
	}
	for env, good := range map[string]func(*broker.Config) bool{
		"KAFKA_MESSAGE_MAX_BYTES=2000000":                   defaults("max.message.bytes", "2000000"),
		"KAFKA_CFG_MESSAGE_MAX_BYTES=2000000":               defaults("max.message.bytes", "2000000"),
		"KAFKA_LOG_SEGMENT_BYTES=1048576":                   defaults("segment.bytes", "1048576"),
		"KAFKA_LOG_ROLL_HOURS=2":                            defaults("segment.ms", "7200000"),
		"KAFKA_LOG_RETENTION_HOURS=-5":                      defaults("retention.ms", "-1"),
		"KAFKA_LOG_CLEANUP_POLICY=compact":                  defaults("cleanup.policy", "compact"),
		"KAFKA_LOG_MESSAGE_TIMESTAMP_TYPE=LogAppendTime":    defaults("message.timestamp.type", "LogAppendTime"),
		"KAFKA_LOG_FLUSH_INTERVAL_MESSAGES=10000":           defaults("flush.messages", "10000"),
		"KAFKA_MIN_INSYNC_REPLICAS=2":                       defaults("min.insync.replicas", "2"),
		"KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE=false":        defaults("unclean.leader.election.enable", "false"),
		"KAFKA_BACKGROUND_THREADS=3":                        defaults("background.threads", "3"),
		"KAFKA_MAX_CONNECTIONS=100":                         defaults("max.connections", "100"),
		"KAFKA_DELETE_TOPIC_ENABLE=false":                   func(c *broker.Config) bool { return c.TopicsStay },
		"KAFKA_AUTO_LEADER_REBALANCE_ENABLE=false":          func(c *broker.Config) bool { return c.PreferredInterval < 0 },
		"KAFKA_LEADER_IMBALANCE_CHECK_INTERVAL_SECONDS=300": func(c *broker.Config) bool { return c.PreferredInterval == 5*time.Minute },
		"KAFKA_CONNECTIONS_MAX_IDLE_MS=540000":              func(c *broker.Config) bool { return c.IdleTimeout == 9*time.Minute },
		"KAFKA_CONNECTIONS_MAX_IDLE_MS=-1":                  func(c *broker.Config) bool { return c.IdleTimeout == century },
		"KAFKA_SOCKET_REQUEST_MAX_BYTES=400000000": func(c *broker.Config) bool {
			return c.RequestBytesMax == 400000000 && c.FramesBytesMax == 800000000
		},
		"KAFKA_SOCKET_REQUEST_MAX_BYTES=1000000":          func(c *broker.Config) bool { return c.RequestBytesMax == 1000000 && c.FramesBytesMax == 0 },
		"KAFKA_REPLICA_LAG_TIME_MAX_MS=30000":             func(c *broker.Config) bool { return c.LagTimeMax == 30*time.Second },
		"KAFKA_BROKER_SESSION_TIMEOUT_MS=9000":            func(c *broker.Config) bool { return c.SessionTimeout == 9*time.Second },
		"KAFKA_OFFSETS_RETENTION_CHECK_INTERVAL_MS=60000": func(c *broker.Config) bool { return c.Groups.OffsetsRetentionCheck == time.Minute },
		"KAFKA_GROUP_CONSUMER_MAX_SIZE=7":                 func(c *broker.Config) bool { return c.Groups.MembersMax == 7 },
		"KAFKA_KRAFT_CLUSTER_ID=abc":                      func(c *broker.Config) bool { return c.ClusterID == "abc" },
		"KAFKA_CFG_NODE_ID=0":                             func(c *broker.Config) bool { return c.NodeID == 0 },
		"KAFKA_CFG_LISTENERS=PLAINTEXT://127.0.0.1:1":     func(c *broker.Config) bool { return c.Listeners[0].Addr == "127.0.0.1:1" },
		"KAFKA_LOG_DIR=/d":                                func(c *broker.Config) bool { return c.DataDir == "/d" },
	} {
		c, err := made(t, env)
		if err != nil || !good(&c) {
			t.Errorf("%s: %v, %+v", env, err, c)
		}
	}
}

func TestVariablesThatAskForWhatIsNotDoneAreRefused(t *testing.T) {
	for env, says := range map[string]string{
		"KAFKA_PROCESS_ROLES=controller":                           `setting process.roles = "controller" (environment variable KAFKA_PROCESS_ROLES): there is no controller of its own`,
		"KAFKA_CFG_PROCESS_ROLES=controller":                       `(environment variable KAFKA_CFG_PROCESS_ROLES)`,
		"KAFKA_CONTROLLED_SHUTDOWN_ENABLE=false":                   "controlled.shutdown.enable",
		"KAFKA_LOG_CLEANER_ENABLE=false":                           "log.cleaner.enable",
		"KAFKA_CONNECTIONS_MAX_IDLE_MS=0":                          "want -1, which is never, or a number from 1",
		"KAFKA_CREATE_TOPIC_POLICY_CLASS_NAME=a.B":                 "nobody would enforce the policy",
		"KAFKA_GROUP_COORDINATOR_REBALANCE_PROTOCOLS=classic":      "groups are of the protocols classic and consumer",
		"KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE=true":                `setting unclean.leader.election.enable = "true" (environment variable KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE)`,
		"KAFKA_MESSAGE_MAX_BYTES=1MB":                              `(environment variable KAFKA_MESSAGE_MAX_BYTES): Invalid value 1MB for configuration message.max.bytes: Not a number of type INT`,
		"KAFKA_LOG_CLEANER_THREADS=0":                              "Value must be at least 1",
		"KAFKA_REPLICA_LAG_TIME_MAX_MS=0":                          "want a number from 1",
		"KAFKA_DELETE_TOPIC_ENABLE=maybe":                          "want true or false",
		"KAFKA_GROUP_MAX_SIZE=5 KAFKA_GROUP_CONSUMER_MAX_SIZE=6":   "give one of them",
		"KAFKA_LOG_RETENTION_MS=1 KAFKA_CFG_LOG_RETENTION_BYTES=x": "KAFKA_CFG_LOG_RETENTION_BYTES",
	} {
		if _, err := made(t, strings.Fields(env)...); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %s", env, err, says)
		}
	}
}

// Goal: of every setting that Kafka's brokers have, the variable does something, is
// refused, or is named at start. None is dropped in silence.
func TestNoVariableOfABrokerSettingIsDroppedInSilence(t *testing.T) {
	nothing, err := load(t, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	told, refused, done := 0, 0, 0
	for _, d := range registry.BrokerDefinitions() {
		name := kafkaVariable(d.Name)
		if name == envControllerListeners {
			continue // it says which listeners are not opened, and here there are none of them
		}
		for _, value := range []string{"7777", "false", "x"} {
			c, err := load(t, nil, []string{name + "=" + value}, "")
			idle := slices.Contains(c.Idle, name)
			c.Idle = nil
			switch {
			case err != nil:
				refused++
			case idle:
				told++
			case !reflect.DeepEqual(c, nothing):
				done++
			default:
				t.Errorf("%s=%s is dropped in silence", name, value)
			}
		}
	}
	t.Logf("%d carried out, %d refused, %d told", done, refused, told)
}

func TestWhatSetNothingIsSortedByWhetherItIsKnown(t *testing.T) {
	c := mustLoad(t, nil, []string{
		"KAFKA_CONTROLLER_QUORUM_VOTERS=1@a:9093", "KAFKA_NUM_NETWORK_THREADS=8", "KAFKA_HEAP_OPTS=-Xmx1g", "KAFKA_MESAGE_MAX_BYTES=1",
		"KAFKA_CFG_TRANSACTION_STATE_LOG_LOAD_BUFFER_SIZE=1", "KAFKA_PORT_9092_TCP=tcp://10.0.0.1:9092", "LOCKSTEP_NODEID=3",
	}, "")
	if want := []string{"KAFKA_MESAGE_MAX_BYTES", "LOCKSTEP_NODEID"}; !slices.Equal(c.Ignored, want) {
		t.Errorf("not known: %v, want %v", c.Ignored, want)
	}
	want := []string{"KAFKA_CONTROLLER_QUORUM_VOTERS", "KAFKA_HEAP_OPTS", "KAFKA_NUM_NETWORK_THREADS", "KAFKA_PORT_9092_TCP", "KAFKA_CFG_TRANSACTION_STATE_LOG_LOAD_BUFFER_SIZE"}
	if !slices.Equal(c.Idle, want) {
		t.Errorf("without effect: %v, want %v", c.Idle, want)
	}
}

func TestATopicDefaultOfKafkasWinsOverTheFileByAnyOfItsNames(t *testing.T) {
	const file = "topic-defaults: {log.retention.ms: 5, message.max.bytes: 6}\n"
	environ := []string{"KAFKA_LOG_RETENTION_HOURS=1", "KAFKA_LOG_RETENTION_MINUTES=2"}
	if got, want := mustLoad(t, nil, environ, file).TopicDefaults, (map[string]string{"retention.ms": "120000", "message.max.bytes": "6"}); !maps.Equal(got, want) {
		t.Errorf("over a file: %v, want %v", got, want)
	}
	flags := []string{"topic-defaults=log.retention.ms=9"}
	if got, want := mustLoad(t, flags, environ, file).TopicDefaults, (map[string]string{"log.retention.ms": "9"}); !maps.Equal(got, want) {
		t.Errorf("under a flag: %v, want %v", got, want)
	}
}
