package settings

import (
	"strconv"
	"strings"
)

// Source says where a value comes from, numbered as in Kafka's DescribeConfigs response.
type Source int8

// The sources.
const (
	FromTopic   Source = 1 // set on the topic
	FromBroker  Source = 2 // set on this broker while running
	FromCluster Source = 3 // set on all brokers while running
	FromStatic  Source = 4 // flags, environment or file
	FromDefault Source = 5
	FromGroup   Source = 8 // set on the group
)

// Layer is the broker-level settings of one source, by Kafka's broker names.
type Layer struct {
	Source Source
	Values map[string]string
}

// Value is the effective value of one setting and where it comes from.
type Value struct {
	Definition *Definition
	Value      string
	Unset      bool // there is no value, not even a default
	Source     Source
	// Synonyms are all places that give a value, the one that holds first.
	Synonyms []Synonym
}

// Synonym is one place that gives a value, under its name and in its unit there.
type Synonym struct {
	Name   string
	Value  string
	Source Source
}

// Resolve gives every topic setting's value on a broker with these layers,
// strongest first. The overrides must be valid.
func Resolve(overrides map[string]string, layers ...Layer) []Value {
	all := make([]Value, 0, len(topicTable))
	for i := range topicTable {
		all = append(all, resolve(&topicTable[i], overrides, FromTopic, layers))
	}
	return all
}

func resolve(d *Definition, overrides map[string]string, own Source, layers []Layer) Value {
	v := Value{Definition: d, Value: d.Default, Source: FromDefault}
	found := false
	add := func(name, raw, value string, source Source) {
		v.Synonyms = append(v.Synonyms, Synonym{Name: name, Value: raw, Source: source})
		if !found {
			v.Value, v.Source, found = value, source, true
		}
	}
	if o, ok := overrides[d.Name]; ok {
		add(d.Name, o, o, own)
	}
	for _, s := range d.Synonyms {
		for _, l := range layers {
			if raw, ok := l.Values[s.Name]; ok {
				add(s.Name, raw, s.Convert(raw), l.Source)
			}
		}
	}
	// As in Kafka, no place is named for a default that stands there in another unit, or not at all.
	if n := len(d.Synonyms); n > 0 && d.Synonyms[n-1].Unit == 1 && !d.BrokerUnset {
		add(d.Synonyms[n-1].Name, d.Default, d.Default, FromDefault)
	}
	return v
}

// effective is resolve without the account of it.
func effective(d *Definition, overrides map[string]string, layers []Layer) string {
	if o, ok := overrides[d.Name]; ok {
		return o
	}
	for _, s := range d.Synonyms {
		for _, l := range layers {
			if raw, ok := l.Values[s.Name]; ok {
				return s.Convert(raw)
			}
		}
	}
	return d.Default
}

// Convert gives a broker-level value in the topic setting's unit. What is not a
// number is left as it is, for the binder to refuse. A negative one means "no limit" in any unit.
func (s BrokerName) Convert(raw string) string {
	if s.Unit == 1 {
		return raw
	}
	n, err := strconv.ParseInt(strings.TrimSpace(raw), 10, 64)
	if err != nil || n < 0 {
		return raw
	}
	if n > forEver/s.Unit {
		return forever
	}
	return strconv.FormatInt(n*s.Unit, 10)
}

const forEver = 1<<63 - 1

// brokerDefault is the weakest broker-level name, which carries the default in its own unit.
func (d *Definition) brokerDefault() (name, value string, ok bool) {
	if len(d.Synonyms) == 0 || d.BrokerUnset {
		return "", "", false
	}
	s := d.Synonyms[len(d.Synonyms)-1]
	if s.Unit == 1 {
		return s.Name, d.Default, true
	}
	n, err := strconv.ParseInt(d.Default, 10, 64)
	if err != nil {
		return "", "", false
	}
	return s.Name, strconv.FormatInt(n/s.Unit, 10), true
}
