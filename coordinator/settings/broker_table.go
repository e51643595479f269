package settings

import (
	"errors"
	"fmt"
)

// brokerOnly is what DescribeConfigs shows of a broker beyond the broker-level
// names of topic settings. All are set by flags or the file, at start.
var brokerOnly = []Definition{
	{Name: "advertised.listeners", Type: String, NoDefault: true, Importance: High, Doc: "The addresses that clients are told to connect to."},
	{Name: "auto.create.topics.enable", Type: Bool, Default: "true", Importance: High, Doc: "Whether a topic is created when a client first asks for it."},
	{Name: "broker.id", Type: Int, NoDefault: true, Importance: High, Doc: "This broker's id; the same as node.id."},
	{Name: "broker.rack", Type: String, NoDefault: true, Importance: Medium, Doc: "The rack or region of this broker; replicas are spread over them."},
	{Name: "default.replication.factor", Type: Int, Default: "1", Importance: Medium, Doc: "The replication factor of a topic that is created without one."},
	{Name: "delete.topic.enable", Type: Bool, Default: "true", Importance: High, Doc: "Whether topics can be deleted."},
	{Name: "group.consumer.assignors", Type: List, Default: "uniform,range", Importance: Medium, Doc: "How partitions can be assigned to the members of a group of the consumer protocol, the default first."},
	{Name: "group.consumer.heartbeat.interval.ms", Type: Int, Default: "5000", Importance: Medium, Doc: "How often a member of the consumer protocol is to be heard of, in milliseconds."},
	{Name: "group.consumer.max.heartbeat.interval.ms", Type: Int, Default: "15000", Importance: Medium, Doc: "The longest consumer.heartbeat.interval.ms that a group may set, in milliseconds."},
	{Name: "group.consumer.max.session.timeout.ms", Type: Int, Default: "60000", Importance: Medium, Doc: "The longest consumer.session.timeout.ms that a group may set, in milliseconds."},
	{Name: "group.consumer.max.size", Type: Int, Default: "10000", Importance: Medium, Doc: "How many members one group of the consumer protocol may have."},
	{Name: "group.consumer.migration.policy", Type: String, Default: "bidirectional", Importance: Medium, Doc: "Groups change between the classic and the consumer protocol while they run, both ways."},
	{Name: "group.consumer.min.heartbeat.interval.ms", Type: Int, Default: "5000", Importance: Medium, Doc: "The shortest consumer.heartbeat.interval.ms that a group may set, in milliseconds. Members of a group that changes are asked to beat sooner."},
	{Name: "group.consumer.min.session.timeout.ms", Type: Int, Default: "45000", Importance: Medium, Doc: "The shortest consumer.session.timeout.ms that a group may set, in milliseconds."},
	{Name: "group.consumer.session.timeout.ms", Type: Int, Default: "45000", Importance: Medium, Doc: "How long a member of the consumer protocol may not be heard of before it loses its place, in milliseconds."},
	{Name: "group.coordinator.rebalance.protocols", Type: List, Default: "classic,consumer", Importance: Medium, Doc: "The protocols that groups may be of."},
	{Name: "group.initial.rebalance.delay.ms", Type: Int, Default: "500", Importance: Medium, Doc: "How long an empty consumer group waits for more members after each that has come, in milliseconds."},
	{Name: "group.max.session.timeout.ms", Type: Int, Default: "1800000", Importance: Medium, Doc: "The longest session that a member of a group may ask for, in milliseconds."},
	{Name: "group.max.size", Type: Int, Default: "10000", Importance: Medium, Doc: "How many members one group may have."},
	{Name: "group.min.session.timeout.ms", Type: Int, Default: "6000", Importance: Medium, Doc: "The shortest session that a member of a group may ask for, in milliseconds."},
	{Name: "listeners", Type: String, NoDefault: true, Importance: High, Doc: "The addresses that this broker listens on."},
	{Name: "log.dirs", Type: String, NoDefault: true, Importance: High, Doc: "The data directory."},
	{Name: "node.id", Type: Int, NoDefault: true, Importance: High, Doc: "This broker's id."},
	{Name: "num.partitions", Type: Int, Default: "1", Importance: Medium, Doc: "The number of partitions of a topic that is created without one."},
	{Name: "offset.metadata.max.bytes", Type: Int, Default: "4096", Importance: High, Doc: "The longest text that may be committed with an offset."},
	{Name: "offsets.commit.timeout.ms", Type: Int, Default: "5000", Importance: High, Doc: "How long a commit of offsets waits for its replicas, in milliseconds."},
	{Name: "offsets.retention.check.interval.ms", Type: Long, Default: "600000", Importance: High, Doc: "How often offsets are looked at whose retention may be over, in milliseconds."},
	{Name: "offsets.retention.minutes", Type: Int, Default: "10080", Importance: High, Doc: "How long the offsets of a group without members are kept, in minutes."},
	{Name: "offsets.topic.num.partitions", Type: Int, Default: "50", Importance: High, Doc: "The number of partitions that the topic of consumer groups is created with."},
	{Name: "offsets.topic.replication.factor", Type: Int, Default: "3", Importance: High, Doc: "The number of replicas that the topic of consumer groups is created with, or as many as there are brokers."},
}

// brokerTable is every broker setting: the above, read-only, and the
// broker-level names of topic settings, which can be altered while running.
var brokerTable = makeBrokerTable()

func makeBrokerTable() []Definition {
	var table []Definition
	for _, d := range brokerOnly {
		d.ReadOnly = true
		table = append(table, d)
	}
	for i := range topicTable {
		table = append(table, brokerNamesOf(&topicTable[i])...)
	}
	return sortedByName(table)
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
		if err := d.bind(t, s.convert(v)); err != nil {
			return err
		}
		if d.Name == "retention.ms" && t.RetentionMs == 0 {
			return errors.New("must be unlimited (-1) or, greater than or equal to 1")
		}
		return nil
	}
}

// ValidateBroker refuses broker settings that are unknown, not valid, or not to be altered while running.
func ValidateBroker(values map[string]string) error {
	if err := known("broker", brokerTable, values); err != nil {
		return err
	}
	for i := range brokerTable {
		d := &brokerTable[i]
		v, ok := values[d.Name]
		if !ok {
			continue
		}
		if d.ReadOnly {
			return &Error{Name: d.Name, Value: v, Reason: "it cannot be altered while running", ReadOnly: true}
		}
		if err := d.bind(new(Topic), v); err != nil {
			return d.refuse(v, err)
		}
	}
	return nil
}

// ResolveBroker gives every broker setting's value from these layers, strongest first.
func ResolveBroker(layers ...Layer) []Value {
	all := make([]Value, 0, len(brokerTable))
	for i := range brokerTable {
		all = append(all, resolveBroker(&brokerTable[i], layers))
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
