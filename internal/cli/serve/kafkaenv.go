package serve

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lockstep-log/lockstep/broker"
	registry "github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// Kafka's container images are set up by variables, and compose files are full of
// them: KAFKA_NUM_PARTITIONS is the broker setting num.partitions, and in images of
// Bitnami's kind KAFKA_CFG_NUM_PARTITIONS is. What becomes of one:
//
//	in the settings table, or here    carried out
//	a broker setting that topics, or  carried out, as a topic default
//	brokers while they run, can have
//	asks for what is not done         refused at start: a deletion that is not
//	                                  prevented, a policy that nobody enforces
//	another setting of Kafka's        logged once: nothing depends on it here
//	anything else                     logged once, as a warning: it may be misspelled
//
// What asks for security has a file of its own.
const (
	kafkaPrefix            = "KAFKA_"
	bitnamiPrefix          = "KAFKA_CFG_"
	envSecurityMap         = "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"
	envControllerListeners = "KAFKA_CONTROLLER_LISTENER_NAMES"
)

// variables are the environment, by the names that Kafka's own image has.
type variables struct {
	value   map[string]string
	spelled map[string]string // how a name was spelled, if otherwise
}

// environment keeps the variables that are set to something: an empty one is
// how a compose file leaves a setting alone.
func environment(environ []string) variables {
	v := variables{make(map[string]string, len(environ)), map[string]string{}}
	for _, kv := range environ {
		if name, value, ok := strings.Cut(kv, "="); ok && value != "" {
			v.value[name] = value
		}
	}
	for name, value := range v.value {
		rest, ok := strings.CutPrefix(name, bitnamiPrefix)
		if !ok {
			continue
		}
		switch other, set := v.value[kafkaPrefix+rest]; {
		case !set:
			delete(v.value, name)
			v.value[kafkaPrefix+rest], v.spelled[kafkaPrefix+rest] = value, name
		case other == value:
			delete(v.value, name)
		}
	}
	return v
}

// refuseTwoWords refuses a variable that is set in both spellings to different values:
// which of them is meant nobody can know, and one of them may ask for security.
func (l *layers) refuseTwoWords(*serveConfig) error {
	for _, name := range slices.Sorted(maps.Keys(l.env.value)) {
		if rest, ok := strings.CutPrefix(name, bitnamiPrefix); ok {
			return fmt.Errorf("environment variables %s and %s differ; set one of them", kafkaPrefix+rest, name)
		}
	}
	return nil
}

// checkTopicDefaults refuses what no topic could have.
func (l *layers) checkTopicDefaults(c *serveConfig) error {
	if err := broker.CheckTopicDefaults(c.TopicDefaults); err != nil {
		return fmt.Errorf("%s: %w", command.DescribeSetting("topic-defaults", l.strongest(settingNamed("topic-defaults"))),
			err)
	}
	return nil
}

// named is how a variable was spelled.
func (v variables) named(name string) string {
	if as, ok := v.spelled[name]; ok {
		return as
	}
	return name
}

// given is a variable's value and its origin.
func (v variables) given(name string) command.Given {
	return command.Given{Value: v.value[name], From: "environment variable " + v.named(name)}
}

// kafkaVariable is the variable of a broker setting, and kafkaSetting the other way round.
func kafkaVariable(setting string) string {
	return kafkaPrefix + strings.ToUpper(strings.ReplaceAll(setting, ".", "_"))
}

func kafkaSetting(name string) (setting string, ok bool) {
	rest, ok := strings.CutPrefix(name, kafkaPrefix)
	return strings.ToLower(strings.ReplaceAll(rest, "_", ".")), ok
}

// applyKafkaTopicDefaults turns what is set for all topics by the names of Kafka's
// brokers into topic defaults. As in Kafka the finer unit wins, and a negative
// retention means for ever.
func (l *layers) applyKafkaTopicDefaults(c *serveConfig) error {
	for _, d := range registry.Definitions() {
		for _, s := range d.Synonyms {
			name := kafkaVariable(s.Name)
			value, ok := l.env.value[name]
			if !ok {
				continue
			}
			l.carried[name] = true
			if d.Name == "retention.ms" && strings.HasPrefix(value, "-") {
				value = "-1"
			}
			if err := registry.ValidateBroker(map[string]string{s.Name: value}); err != nil {
				return fmt.Errorf("%s: %w", command.DescribeSetting(s.Name, l.env.given(name)), err)
			}
			l.topicDefault(c, &d, d.Name, s.Convert(value))
		}
	}
	return nil
}

// applyKafkaBrokers does the same for what brokers can have altered while they run.
func (l *layers) applyKafkaBrokers(c *serveConfig) error {
	for _, d := range registry.BrokerDefinitions() {
		name := kafkaVariable(d.Name)
		value, ok := l.env.value[name]
		if !ok || l.carried[name] || d.ReadOnly {
			continue
		}
		l.carried[name] = true
		if err := registry.ValidateBroker(map[string]string{d.Name: value}); err != nil {
			return fmt.Errorf("%s: %w", command.DescribeSetting(d.Name, l.env.given(name)), err)
		}
		l.topicDefault(c, &d, d.Name, value)
	}
	return nil
}

// topicDefault sets a topic default from the environment: it wins over the file, and
// loses to topic-defaults said closer by, and to a stronger synonym that was there first.
func (l *layers) topicDefault(c *serveConfig, d *registry.Definition, key, value string) {
	names := []string{d.Name}
	for _, s := range d.Synonyms {
		names = append(names, s.Name)
	}
	_, byFlag := l.flags["topic-defaults"]
	_, byEnv := l.env.value["LOCKSTEP_TOPIC_DEFAULTS"]
	for _, name := range names {
		if _, set := c.TopicDefaults[name]; set && (byFlag || byEnv || l.defaulted[key]) {
			return
		}
	}
	for _, name := range names {
		delete(c.TopicDefaults, name)
	}
	c.TopicDefaults[key], l.defaulted[key] = value, true
}

// notDone are settings that ask for what is not done, with the values that do not.
// Without a value: whatever it is set to.
var notDone = []struct{ setting, fine, why string }{
	{"process.roles", "broker,controller broker", "there is no controller of its own: metadata is kept in etcd, " +
		"embedded in the brokers or outside; leave this container out"},
	{"controlled.shutdown.enable", "true", "a broker that stops always hands its leaderships over"},
	{"log.cleaner.enable", "true", "topics with cleanup.policy=compact are compacted"},
	{"group.coordinator.rebalance.protocols", "classic,consumer consumer,classic",
		"groups are of the protocols classic and consumer"},
	{"group.consumer.migration.policy", "bidirectional BIDIRECTIONAL", "groups change between the protocols both ways"},
	{"create.topic.policy.class.name", "", "no classes are loaded, and nobody would enforce the policy"},
	{"alter.config.policy.class.name", "", "no classes are loaded, and nobody would enforce the policy"},
	{"client.quota.callback.class", "", "no classes are loaded, and nobody would enforce the quotas"},
}

// refuseNotDone refuses them.
func (l *layers) refuseNotDone(*serveConfig) error {
	for _, n := range notDone {
		name := kafkaVariable(n.setting)
		value, ok := l.env.value[name]
		if !ok {
			continue
		}
		if value = strings.ReplaceAll(value, " ", ""); !slices.Contains(strings.Fields(n.fine), value) {
			return fmt.Errorf("%s: %s", command.DescribeSetting(n.setting, l.env.given(name)), n.why)
		}
		l.carried[name] = true
	}
	return nil
}

// launchers are the beginnings of variables that start and watch a Java process.
var launchers = []string{"KAFKA_HEAP_OPTS", "KAFKA_OPTS", "KAFKA_JVM_", "KAFKA_GC_", "KAFKA_JMX_", "KAFKA_LOG4J_",
	"KAFKA_TOOLS_LOG4J_",
	"KAFKA_VERSION", "KAFKA_HOME", "KAFKA_ENABLE_KRAFT", "KAFKA_KRAFT_", "KAFKA_ZOOKEEPER_"}

// leftOver sorts what set nothing: what is Kafka's and has no meaning here, and
// what nobody knows.
func (l *layers) leftOver() (idle, unknown []string) {
	for _, name := range l.unknown() {
		setting, kafkas := kafkaSetting(name)
		_, known := registry.LookupBroker(setting)
		launches := slices.ContainsFunc(launchers, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
		if kafkas && (known || launches) || fromOrchestrator.MatchString(name) {
			idle = append(idle, l.env.named(name))
		} else {
			unknown = append(unknown, l.env.named(name))
		}
	}
	return idle, unknown
}

// dropControllers drops the listeners that only a Kafka controller would open.
func (l *layers) dropControllers(c *serveConfig) {
	for _, name := range command.SplitList(strings.ToLower(l.env.value[envControllerListeners])) {
		isController := func(o listener) bool { return o.Name == name }
		if len(c.Listeners) > 1 {
			c.Listeners = slices.DeleteFunc(c.Listeners, isController)
		}
		c.Advertised = slices.DeleteFunc(c.Advertised, isController)
	}
}
