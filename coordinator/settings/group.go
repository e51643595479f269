package settings

import (
	"fmt"
	"math"
	"strconv"
)

// The settings of single groups.
const (
	groupHeartbeat = "consumer.heartbeat.interval.ms"
	groupSession   = "consumer.session.timeout.ms"
)

// groupTable is every setting of single groups, which are of the consumer
// protocol: members of the classic one bring times of their own. Names and
// defaults are those of Kafka 4.0.
var groupTable = sortedByName([]Definition{
	{
		Name: groupHeartbeat, Type: Int, Default: "5000", Importance: Medium,
		Synonyms: same("group.consumer.heartbeat.interval.ms"),
		Doc: "How often a member of the group is to be heard of, in milliseconds. While the group changes, " +
			"members are asked to beat sooner.",
		bindGroup: intAt(1, math.MaxInt32, func(g *Group) *int64 { return &g.HeartbeatMs }),
	},
	{
		Name: groupSession, Type: Int, Default: "45000", Importance: Medium,
		Synonyms:  same("group.consumer.session.timeout.ms"),
		Doc:       "How long a member of the group may not be heard of before it loses its place, in milliseconds.",
		bindGroup: intAt(1, math.MaxInt32, func(g *Group) *int64 { return &g.SessionMs }),
	},
})

// Group is the settings that hold for one group of the consumer protocol, typed.
type Group struct {
	SessionMs   int64
	HeartbeatMs int64
}

// ParseGroup gives the settings that hold for a group with these overrides, on a
// broker with these layers, strongest first. A value that the brokers' bounds,
// which may have changed since it was set, do not allow counts as the bound.
func ParseGroup(overrides map[string]string, layers ...Layer) (Group, error) {
	g, err := bindGroup(overrides, layers)
	if err != nil {
		return g, err
	}
	for _, b := range groupBounds {
		least, most := b.limits(layers)
		at := b.at(&g)
		*at = max(least, min(most, *at))
	}
	return g, nil
}

// ValidateGroup refuses overrides that are not valid, or that the brokers' bounds
// do not allow. Its errors, and their order, are Kafka's.
func ValidateGroup(overrides map[string]string, layers ...Layer) error {
	g, err := bindGroup(overrides, layers)
	if err != nil {
		return err
	}
	for _, b := range groupBounds {
		least, most := b.limits(layers)
		switch v := *b.at(&g); {
		case v < least:
			return &BoundsError{fmt.Sprintf("%s must be greater than or equal to %s", b.name, b.least)}
		case v > most:
			return &BoundsError{fmt.Sprintf("%s must be less than or equal to %s", b.name, b.most)}
		}
	}
	if g.SessionMs <= g.HeartbeatMs {
		return &BoundsError{fmt.Sprintf("%s must be greater than %s", groupSession, groupHeartbeat)}
	}
	return nil
}

// ResolveGroup gives every setting's value for a group on a broker with these
// layers, strongest first. The overrides must be valid.
func ResolveGroup(overrides map[string]string, layers ...Layer) []Value {
	all := make([]Value, 0, len(groupTable))
	for i := range groupTable {
		all = append(all, resolve(&groupTable[i], overrides, FromGroup, layers))
	}
	return all
}

func bindGroup(overrides map[string]string, layers []Layer) (g Group, err error) {
	if err := known("group", groupTable, overrides); err != nil {
		return g, err
	}
	for i := range groupTable {
		d := &groupTable[i]
		v := effective(d, overrides, layers)
		if err := d.bindGroup(&g, v); err != nil {
			return g, d.refuse(v, err)
		}
	}
	return g, nil
}

// groupBound names the settings of brokers that bound a group's.
type groupBound struct {
	name        string
	least, most string
	at          func(*Group) *int64
}

var groupBounds = []groupBound{
	{groupHeartbeat, "group.consumer.min.heartbeat.interval.ms", "group.consumer.max.heartbeat.interval.ms",
		func(g *Group) *int64 { return &g.HeartbeatMs }},
	{groupSession, "group.consumer.min.session.timeout.ms", "group.consumer.max.session.timeout.ms",
		func(g *Group) *int64 { return &g.SessionMs }},
}

func (b *groupBound) limits(layers []Layer) (least, most int64) {
	return brokerNumber(b.least, layers, 0), brokerNumber(b.most, layers, math.MaxInt32)
}

// brokerNumber is the value of a broker's setting that is a number, or other
// where the layers hold something else.
func brokerNumber(name string, layers []Layer, other int64) int64 {
	d, _ := LookupBroker(name)
	n, err := strconv.ParseInt(resolveBroker(&d, layers).Value, 10, 64)
	if err != nil {
		return other
	}
	return n
}
