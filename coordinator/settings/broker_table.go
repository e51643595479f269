package settings

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// brokerOnly is what a broker has beyond the broker-level names of topic settings,
// and what holds here. All but those with a binder are set by flags or the file, at start.
// Types are Kafka's own, from kafka.txt, where it has the setting.
var brokerOnly = []Definition{
	{Name: "advertised.listeners", NoDefault: true, Importance: High,
		Doc: "The addresses that clients are told to connect to."},
	{Name: "auto.create.topics.enable", Default: "true", Importance: High,
		Doc: "Whether a topic is created when a client first asks for it."},
	{Name: "broker.id", NoDefault: true, Importance: High, Doc: "This broker's id; the same as node.id."},
	{Name: "broker.rack", NoDefault: true, Importance: Medium,
		Doc: "The rack or region of this broker; replicas are spread over them."},
	{Name: "default.replication.factor", Default: "1", Importance: Medium,
		Doc: "The replication factor of a topic that is created without one."},
	{Name: "delete.topic.enable", Default: "true", Importance: High, Doc: "Whether topics can be deleted."},
	{Name: "group.consumer.assignors", Default: "uniform,range", Importance: Medium,
		Doc: "How partitions can be assigned to the members of a group of the consumer protocol, the default first."},
	{Name: "group.consumer.heartbeat.interval.ms", Default: "5000", Importance: Medium,
		Doc: "How often a member of the consumer protocol is to be heard of, in milliseconds."},
	{Name: "group.consumer.max.heartbeat.interval.ms", Default: "15000", Importance: Medium,
		Doc: "The longest consumer.heartbeat.interval.ms that a group may set, in milliseconds."},
	{Name: "group.consumer.max.session.timeout.ms", Default: "60000", Importance: Medium,
		Doc: "The longest consumer.session.timeout.ms that a group may set, in milliseconds."},
	{Name: "group.consumer.max.size", Default: "10000", Importance: Medium,
		Doc: "How many members one group of the consumer protocol may have."},
	{Name: "group.consumer.migration.policy", Default: "bidirectional", Importance: Medium,
		Doc: "Groups change between the classic and the consumer protocol while they run, both ways."},
	{Name: "group.consumer.min.heartbeat.interval.ms", Default: "5000", Importance: Medium,
		Doc: "The shortest consumer.heartbeat.interval.ms that a group may set, in milliseconds. Members of a group " +
			"that changes are asked to beat sooner."},
	{Name: "group.consumer.min.session.timeout.ms", Default: "45000", Importance: Medium,
		Doc: "The shortest consumer.session.timeout.ms that a group may set, in milliseconds."},
	{Name: "group.consumer.session.timeout.ms", Default: "45000", Importance: Medium,
		Doc: "How long a member of the consumer protocol may not be heard of before it loses its place, in milliseconds."},
	{Name: "group.coordinator.rebalance.protocols", Default: "classic,consumer", Importance: Medium,
		Doc: "The protocols that groups may be of."},
	{Name: "group.initial.rebalance.delay.ms", Default: "500", Importance: Medium,
		Doc: "How long an empty consumer group waits for more members after each that has come, in milliseconds."},
	{Name: "group.max.session.timeout.ms", Default: "1800000", Importance: Medium,
		Doc: "The longest session that a member of a group may ask for, in milliseconds."},
	{Name: "group.max.size", Default: "10000", Importance: Medium, Doc: "How many members one group may have."},
	{Name: "group.min.session.timeout.ms", Default: "6000", Importance: Medium,
		Doc: "The shortest session that a member of a group may ask for, in milliseconds."},
	{Name: "listeners", NoDefault: true, Importance: High, Doc: "The addresses that this broker listens on."},
	{Name: "log.dirs", NoDefault: true, Importance: High, Doc: "The data directory."},
	{Name: "node.id", NoDefault: true, Importance: High, Doc: "This broker's id."},
	{Name: "num.partitions", Default: "1", Importance: Medium,
		Doc: "The number of partitions of a topic that is created without one."},
	{Name: "offset.metadata.max.bytes", Default: "4096", Importance: High,
		Doc: "The longest text that may be committed with an offset."},
	{Name: "offsets.commit.timeout.ms", Default: "5000", Importance: High,
		Doc: "How long a commit of offsets waits for its replicas, in milliseconds."},
	{Name: "offsets.retention.check.interval.ms", Default: "600000", Importance: High,
		Doc: "How often offsets are looked at whose retention may be over, in milliseconds."},
	{Name: "offsets.retention.minutes", Default: "10080", Importance: High,
		Doc: "How long the offsets of a group without members are kept, in minutes."},
	{Name: "offsets.topic.num.partitions", Default: "50", Importance: High,
		Doc: "The number of partitions that the topic of consumer groups is created with."},
	{Name: "offsets.topic.replication.factor", Default: "3", Importance: High,
		Doc: "The number of replicas that the topic of consumer groups is created with, or as many as there are brokers."},
	{Name: "auto.leader.rebalance.enable", Default: "true", Importance: High,
		Doc: "Preferred leaders that are in sync are given their partitions back, within a minute."},
	{
		Name: "background.threads", Default: "1", Importance: Medium,
		Doc:        "How many partitions are looked after at once: expiry, checkpoints, retention.",
		bindBroker: intAt(1, threadsMax, func(b *Broker) *int32 { return &b.BackgroundThreads }),
	},
	{Name: "broker.heartbeat.interval.ms", NoDefault: true, Importance: Medium,
		Doc: "How often the broker's registration is renewed, in milliseconds."},
	{Name: "broker.session.timeout.ms", NoDefault: true, Importance: Medium,
		Doc: "How long a silent broker counts as live, in milliseconds."},
	{
		Name: carryTopics, Type: List, Default: carryTopicsDefault, clusterOnly: true, Importance: Medium,
		Doc: "Regular expressions (RE2), matched against whole names: topics that set no conflict.policy of their own, " +
			"and hold copies by their names, have " +
			"conflict.policy=carry. A comma ends a pattern; \\x2c stands for one.",
		bindBroker: bindCarryTopics,
	},
	{Name: "connections.max.idle.ms", Default: "600000", Importance: Medium,
		Doc: "A connection without a request is closed after so many milliseconds."},
	{Name: "controlled.shutdown.enable", Default: "true", Importance: Medium,
		Doc: "A broker that stops hands its leaderships over first."},
	{Name: "fetch.max.bytes", Default: "57671680", Importance: Medium,
		Doc: "The most that one answer to a fetch holds, in bytes, and the first batch whatever its size."},
	{
		Name: "follower.replication.throttled.rate", Type: Long, NoDefault: true, ShownWhereSet: true, Importance: Medium,
		Doc:        "The most that each leader sends this broker for replicas that are not in sync, in bytes a second.",
		bindBroker: intAt(0, math.MaxInt64, func(b *Broker) *int64 { return &b.FollowerThrottledRate }),
	},
	{Name: "group.consumer.assignment.interval.ms", Default: "0", Importance: Low,
		Doc: "The shortest time between two assignments of a group, in milliseconds: none, a group is assigned at once."},
	{Name: "inter.broker.listener.name", NoDefault: true, Importance: Medium,
		Doc: "The listener that the brokers reach each other by."},
	{
		Name: "leader.replication.throttled.rate", Type: Long, NoDefault: true, ShownWhereSet: true, Importance: Medium,
		Doc:        "The most that this broker sends, as a leader, to replicas that are not in sync, in bytes a second.",
		bindBroker: intAt(0, math.MaxInt64, func(b *Broker) *int64 { return &b.LeaderThrottledRate }),
	},
	{Name: "leader.imbalance.check.interval.seconds", Default: "60", Importance: High,
		Doc: "How often preferred leaders are looked for that lead nothing, in seconds."},
	{Name: "listener.security.protocol.map", NoDefault: true, Importance: Low,
		Doc: "The security protocol of each listener."},
	{
		Name: "log.cleaner.backoff.ms", Default: "15000", Importance: Medium,
		Doc:        "How long compaction rests between two looks for logs to compact, in milliseconds.",
		bindBroker: intAt(0, math.MaxInt64, func(b *Broker) *int64 { return &b.CleanerBackoffMs }),
	},
	{
		Name: "log.cleaner.dedupe.buffer.size", Default: "134217728", Importance: Medium,
		Doc: "The memory in which compaction notes keys, over all its threads, in bytes. With more keys than fit " +
			"a pass goes less far.",
		bindBroker: intAt(1<<20, math.MaxInt64, func(b *Broker) *int64 { return &b.CleanerDedupeBytes }),
	},
	{Name: "log.cleaner.enable", Default: "true", Importance: Medium, Doc: "Compaction runs."},
	{
		Name: "log.cleaner.io.max.bytes.per.second", Default: "52428800", Importance: Medium,
		Doc: "The most that compaction reads and writes, over all partitions, in bytes a second: writers that " +
			"sync to the same disk keep most of their rate.",
		bindBroker: floatAt(1, math.MaxFloat64, func(b *Broker) *float64 { return &b.CleanerBytesPerSecond }),
	},
	{
		Name: "log.cleaner.threads", Default: "1", Importance: Medium,
		Doc:        "How many logs are compacted at once.",
		bindBroker: intAt(1, threadsMax, func(b *Broker) *int32 { return &b.CleanerThreads }),
	},
	{Name: "log.dir", NoDefault: true, Importance: High, Doc: "The data directory; the same as log.dirs."},
	{Name: "log.flush.scheduler.interval.ms", Default: "5000", Importance: High,
		Doc: "How often logs are looked at whose flush.ms may be over, in milliseconds."},
	{Name: "log.retention.check.interval.ms", Default: "5000", Importance: Medium,
		Doc: "How often logs are looked at whose retention may be over, in milliseconds."},
	{
		Name: "max.connections", Default: "16384", Importance: Medium,
		Doc:        "How many connections this broker takes, those of the other brokers among them.",
		bindBroker: intAt(connectionsLeast, math.MaxInt32, func(b *Broker) *int32 { return &b.ConnectionsMax }),
	},
	{Name: "max.incremental.fetch.session.cache.slots", Default: "1000", Importance: Medium,
		Doc: "How many fetch sessions of clients are kept; a client without one lists all its partitions in each fetch."},
	{Name: "max.request.partition.size.limit", Default: "2000", Importance: Medium,
		Doc: "The most partitions in one answer of DescribeTopicPartitions."},
	{
		Name: "num.recovery.threads.per.data.dir", Default: "4", Importance: High,
		Doc:        "How many logs are opened at once, at start above all.",
		bindBroker: intAt(1, threadsMax, func(b *Broker) *int32 { return &b.RecoveryThreads }),
	},
	{Name: "offsets.topic.compression.codec", Default: "0", Importance: High, Doc: "Offsets are written uncompressed."},
	{Name: "offsets.topic.segment.bytes", Default: "104857600", Importance: High,
		Doc: "The segment.bytes that the topic of consumer groups is created with."},
	{
		Name: "producer.id.expiration.ms", Default: "86400000", Importance: Low,
		Doc:        "How long a silent idempotent producer is remembered, in milliseconds.",
		bindBroker: intAt(1, math.MaxInt32, func(b *Broker) *int64 { return &b.ProducerIDMs }),
	},
	{Name: "queued.max.request.bytes", Default: "536870912", Importance: Medium,
		Doc: "The memory of all requests together, in bytes. Who comes later waits."},
	{Name: "replica.fetch.max.bytes", Default: "4194304", Importance: Medium,
		Doc: "The most of one partition in an answer to a follower, in bytes, and one larger batch if it is the first."},
	{Name: "replica.fetch.min.bytes", Default: "1", Importance: High,
		Doc: "A follower is answered when there is anything to say."},
	{Name: "replica.fetch.response.max.bytes", Default: "8388608", Importance: Medium,
		Doc: "The most that one answer to a follower holds, in bytes."},
	{Name: "replica.fetch.wait.max.ms", Default: "500", Importance: High,
		Doc: "A follower is answered after so many milliseconds, with nothing if need be."},
	{Name: "replica.lag.time.max.ms", Default: "2500", Importance: High,
		Doc: "How long a replica may lag behind and stay in sync, in milliseconds."},
	{Name: "sasl.enabled.mechanisms", Default: "", Importance: Medium,
		Doc: "Clients are not authenticated: there are no mechanisms."},
	{Name: "security.inter.broker.protocol", Default: "PLAINTEXT", Importance: Medium,
		Doc: "The security protocol between brokers."},
	{Name: "socket.receive.buffer.bytes", Default: "-1", Importance: High,
		Doc: "The receive buffer of sockets is the operating system's own."},
	{Name: "socket.request.max.bytes", Default: "104857600", Importance: High, Doc: "The largest request, in bytes."},
	{Name: "socket.send.buffer.bytes", Default: "-1", Importance: High,
		Doc: "The send buffer of sockets is the operating system's own."},
	{Name: "transaction.abort.timed.out.transaction.cleanup.interval.ms", Default: "0", Importance: Low,
		Doc: "Transactions whose timeout is over are aborted at once, and not at the next of some looks."},
	{Name: "transaction.max.timeout.ms", Default: "900000", Importance: High,
		Doc: "The longest timeout that a transactional producer may ask for, in milliseconds."},
	{Name: "transaction.partition.verification.enable", Default: "true", Importance: Low,
		Doc: "The leader of a partition sees to it that a transaction has the partition before it takes a batch of it."},
	{Name: "transaction.remove.expired.transaction.cleanup.interval.ms", Default: "3600000", Importance: Low,
		Doc: "How often transactional ids are looked for that nobody uses any more, in milliseconds."},
	{Name: "transaction.state.log.num.partitions", Default: "50", Importance: High,
		Doc: "The number of partitions that the topic of transactions is created with."},
	{Name: "transaction.state.log.replication.factor", Default: "3", Importance: High,
		Doc: "The number of replicas that the topic of transactions is created with, or as many as there are brokers."},
	{Name: "transaction.state.log.segment.bytes", Default: "104857600", Importance: High,
		Doc: "The segment.bytes that the topic of transactions is created with."},
	{Name: "transaction.two.phase.commit.enable", Default: "false", Importance: Low,
		Doc: "No producer may keep a transaction open without a timeout."},
	{Name: "transactional.id.expiration.ms", Default: "604800000", Importance: High,
		Doc: "How long a transactional id is remembered that nobody uses, in milliseconds."},
}

const (
	// threadsMax bounds what works side by side: each has a stack, files and buffers.
	threadsMax = 1000
	// connectionsLeast leaves room for the other brokers, and for whoever is to raise it again.
	connectionsLeast = 16
)

// brokerTable is every broker setting: the above, the broker-level names of topic settings,
// which can be altered while running, and what else Kafka has.
var brokerTable = makeBrokerTable()

func makeBrokerTable() []Definition {
	var table []Definition
	for _, d := range brokerOnly {
		d.ReadOnly = d.bindBroker == nil
		table = append(table, d)
	}
	for i := range topicTable {
		table = append(table, brokerNamesOf(&topicTable[i])...)
	}
	return sortedByName(withKafkas(table))
}

// brokerNamesOf makes a definition for each broker-level name of a topic setting.
func brokerNamesOf(d *Definition) []Definition {
	var defs []Definition
	for _, s := range d.Synonyms {
		def := Definition{
			Name:       s.Name,
			Type:       d.Type,
			NoDefault:  true,
			Importance: d.Importance,
			Doc:        fmt.Sprintf("The default of the topic setting %s. %s", d.Name, d.Doc),
			bind:       d.bindOnBroker(s),
		}
		if name, value, ok := d.brokerDefault(); ok && name == s.Name {
			def.Default, def.NoDefault = value, false
		}
		if s.Unit != 1 {
			def.Doc = fmt.Sprintf("The default of the topic setting %s, in units of %d ms.", d.Name, s.Unit)
		}
		defs = append(defs, def)
	}
	return defs
}

// bindOnBroker parses what is set for all topics, by a broker-level name. A
// topic may be emptied by a retention of 0; Kafka does not have all of them emptied.
func (d *Definition) bindOnBroker(s BrokerName) func(*Topic, string) error {
	return func(t *Topic, v string) error {
		if err := d.bind(t, s.Convert(v)); err != nil {
			return err
		}
		if d.Name == "retention.ms" && t.RetentionMs == 0 {
			return errors.New("must be unlimited (-1) or, greater than or equal to 1")
		}
		return nil
	}
}

// ValidateBroker refuses settings of one broker that are unknown, not valid, or not to be altered while running.
func ValidateBroker(values map[string]string) error { return validateBrokers(values, false) }

// ValidateCluster is ValidateBroker for all brokers at once: there, what each has for itself cannot be set.
func ValidateCluster(values map[string]string) error { return validateBrokers(values, true) }

func validateBrokers(values map[string]string, all bool) error {
	if err := known("broker", brokerTable, values); err != nil {
		return err
	}
	for i := range brokerTable {
		d := &brokerTable[i]
		if v, ok := values[d.Name]; ok {
			if err := d.validate(v, all); err != nil {
				return err
			}
		}
	}
	return nil
}

// validate refuses what cannot be a broker setting's value. Of those that nothing depends
// on the default is taken, as tools write back what they have read.
func (d *Definition) validate(v string, all bool) error {
	switch {
	case d.clusterOnly && !all:
		return &UpdateError{d.Name, "Can be set for all brokers at once only", ""}
	case d.bind != nil:
		if err := d.bind(new(Topic), v); err != nil {
			return d.refuse(v, err)
		}
	case d.bindBroker != nil:
		if err := d.bindBroker(new(Broker), v); err != nil {
			return d.refuse(v, err)
		}
	case all && d.update == updatePerBroker:
		return &UpdateError{d.Name, "Cannot update these configs at default cluster level, broker id must be specified", ""}
	case d.update == updatePerListener:
		return &UpdateError{d.Name,
			"These security configs can be dynamically updated only per-listener using the listener prefix", d.idle}
		// It does nothing here: only the value that it has may be written.
	case d.idle == "" || d.update == updateNever || d.NoDefault || strings.TrimSpace(v) != d.Default:
		return &UpdateError{d.Name, "Cannot update these configs dynamically", d.idle}
	}
	return nil
}

// ResolveBroker gives every broker setting's value from these layers, strongest first.
func ResolveBroker(layers ...Layer) []Value {
	all := make([]Value, 0, len(brokerTable))
	for i := range brokerTable {
		if v := resolveBroker(&brokerTable[i], layers); !v.Unset || !v.Definition.ShownWhereSet {
			all = append(all, v)
		}
	}
	return all
}

func resolveBroker(d *Definition, layers []Layer) Value {
	v := Value{Definition: d, Value: d.Default, Unset: d.NoDefault, Source: FromDefault}
	for _, l := range layers {
		if value, ok := l.Values[d.Name]; ok {
			if len(v.Synonyms) == 0 {
				v.Value, v.Unset, v.Source = value, false, l.Source
			}
			v.Synonyms = append(v.Synonyms, Synonym{Name: d.Name, Value: value, Source: l.Source})
		}
	}
	if !d.NoDefault {
		v.Synonyms = append(v.Synonyms, Synonym{Name: d.Name, Value: d.Default, Source: FromDefault})
	}
	return v
}
