package broker

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/settings"
)

// settingLayers are what stands behind a topic's own settings on this broker,
// strongest first: what was set on this broker while running, on all brokers
// while running, and at start.
func (s *Server) settingLayers() []settings.Layer {
	im := s.cluster.Image()
	return []settings.Layer{
		{Source: settings.FromBroker, Values: im.BrokerConfigs(s.cfg.NodeID)},
		{Source: settings.FromCluster, Values: im.ClusterConfigs()},
		{Source: settings.FromStatic, Values: brokerNames(s.cfg.TopicDefaults)},
	}
}

// brokerNames gives topic settings that were set at start the names they have
// on a broker: retention.ms is log.retention.ms there. A broker-level name may
// be given as it is.
func brokerNames(topicDefaults map[string]string) map[string]string {
	values := make(map[string]string, len(topicDefaults))
	for name, value := range topicDefaults {
		if d, ok := settings.Lookup(name); ok && len(d.Synonyms) > 0 {
			name = d.Synonyms[0].Name // the strongest, in the topic setting's unit
		}
		values[name] = value
	}
	return values
}

// CheckTopicDefaults refuses what could not hold for every topic: better no
// start than topics whose settings are not what was asked for.
func CheckTopicDefaults(topicDefaults map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(topicDefaults)) {
		if err := checkTopicDefault(name, topicDefaults[name]); err != nil {
			return err
		}
	}
	return nil
}

func checkTopicDefault(name, value string) error {
	one := map[string]string{name: value}
	d, ok := settings.Lookup(name)
	switch {
	case !ok && isBrokerName(name):
		if d, _ := settings.LookupBroker(name); d.ReadOnly {
			return fmt.Errorf("%s is no default of topics", name)
		}
		return settings.ValidateCluster(one)
	case ok && len(d.Synonyms) == 0:
		return fmt.Errorf("%s can be set on single topics only", name)
	case ok:
		if err := settings.Validate(one); err != nil {
			return err
		}
		return settings.ValidateBroker(brokerNames(one))
	default:
		return settings.Validate(one)
	}
}

func isBrokerName(name string) bool {
	_, ok := settings.LookupBroker(name)
	return ok
}

// brokerLayers are settingLayers with what only a broker has.
func (s *Server) brokerLayers() []settings.Layer {
	layers := s.settingLayers()
	static := &layers[len(layers)-1]
	maps.Copy(static.Values, s.staticSettings())
	return layers
}

// staticSettings are this broker's own settings, by Kafka's names, as far as
// they are not the defaults.
func (s *Server) staticSettings() map[string]string {
	id := strconv.Itoa(int(s.cfg.NodeID))
	values := map[string]string{
		"node.id":              id,
		"broker.id":            id,
		"log.dir":              s.cfg.DataDir,
		"log.dirs":             s.cfg.DataDir,
		"listeners":            s.listenerList(func(l *listener) string { return l.Name + "://" + l.Bound() }),
		"advertised.listeners": s.listenerList(func(l *listener) string { return l.String() }),

		"listener.security.protocol.map": s.listenerList(func(l *listener) string { return l.Name + ":" + l.protocol.Kafka() }),
		"inter.broker.listener.name":     s.cfg.InterBroker,
	}
	if s.cfg.Rack != "" {
		values["broker.rack"] = s.cfg.Rack
	}
	if s.cfg.ReplicationThrottle > 0 {
		values["leader.replication.throttled.rate"] = strconv.FormatInt(s.cfg.ReplicationThrottle, 10)
	}
	session := s.cluster.SessionTimeout()
	values["broker.session.timeout.ms"] = strconv.FormatInt(session.Milliseconds(), 10)
	values["broker.heartbeat.interval.ms"] = strconv.FormatInt((session / coordinator.SessionBeats).Milliseconds(), 10)
	known := s.cfg.Groups.settings()
	maps.Copy(known, s.cfg.Transactions.settings())
	maps.Copy(known, s.cfg.settings())
	known["auto.create.topics.enable"] = strconv.FormatBool(s.cfg.AutoCreateTopics)
	known["num.partitions"] = strconv.Itoa(int(s.cfg.NumPartitions))
	known["default.replication.factor"] = strconv.Itoa(int(s.cfg.DefaultReplicationFactor))
	for name, value := range known {
		if d, ok := settings.LookupBroker(name); !ok || d.Default != value {
			values[name] = value
		}
	}
	return values
}

// settings are limits and times of the configuration, by Kafka's names.
func (c *Config) settings() map[string]string {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	housekeep := number(c.HousekeepInterval.Milliseconds())
	all := map[string]string{
		"connections.max.idle.ms":                   number(c.IdleTimeout.Milliseconds()),
		"log.cleaner.backoff.ms":                    number(c.CompactInterval.Milliseconds()),
		"log.flush.scheduler.interval.ms":           housekeep,
		"log.retention.check.interval.ms":           housekeep,
		"max.incremental.fetch.session.cache.slots": number(int64(c.FetchSessions.or(0))),
		"max.connections":                           number(int64(c.ConnectionsMax)),
		"producer.id.expiration.ms":                 number(c.ProducerIDMs),
		"queued.max.request.bytes":                  number(c.FramesBytesMax),
		"replica.lag.time.max.ms":                   number(c.LagTimeMax.Milliseconds()),
		"socket.request.max.bytes":                  number(int64(c.RequestBytesMax)),
		"delete.topic.enable":                       strconv.FormatBool(!c.TopicsStay),
		"auto.leader.rebalance.enable":              strconv.FormatBool(c.PreferredInterval > 0),
	}
	if c.PreferredInterval > 0 {
		all["leader.imbalance.check.interval.seconds"] = number(int64(c.PreferredInterval / time.Second))
	}
	return all
}

func (s *Server) listenerList(text func(*listener) string) string {
	all := make([]string, len(s.listeners))
	for i, l := range s.listeners {
		all[i] = text(l)
	}
	return strings.Join(all, ",")
}

// topicValues are a topic's settings in force on this broker.
func (s *Server) topicValues(t *image.Topic) []settings.Value {
	layers := s.settingLayers()
	return settings.CarryTopicsOf(layers...).Resolve(t.Name, t.Configs, layers...)
}

// groupValues are the settings in force of one consumer group, which need not be there.
func (s *Server) groupValues(name string) []settings.Value {
	return settings.ResolveGroup(s.cluster.Image().GroupConfigs(name), s.groupLayers()...)
}

// groupLayers are what stands behind a group's own settings, and bounds them:
// what this broker was given at start.
func (s *Server) groupLayers() []settings.Layer {
	values := s.cfg.Groups.settings()
	for name, value := range values {
		if d, ok := settings.LookupBroker(name); ok && d.Default == value {
			delete(values, name)
		}
	}
	return []settings.Layer{{Source: settings.FromStatic, Values: values}}
}

// brokerValues are this broker's settings in force.
func (s *Server) brokerValues() []settings.Value { return settings.ResolveBroker(s.brokerLayers()...) }

// clusterValues are the settings that were set on all brokers while running.
func (s *Server) clusterValues() []settings.Value {
	all := settings.ResolveBroker(settings.Layer{Source: settings.FromCluster, Values: s.cluster.Image().ClusterConfigs()})
	var set []settings.Value
	for _, v := range all {
		if v.Source == settings.FromCluster {
			set = append(set, v)
		}
	}
	return set
}
