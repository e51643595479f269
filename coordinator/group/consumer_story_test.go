package group

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// fixedTopics is a cluster's topics by name: what Topics is in a broker.
type fixedTopics map[string]Topic

func (f fixedTopics) Topic(name string) (Topic, bool) { t, ok := f[name]; return t, ok }

func (f fixedTopics) TopicByID(id TopicID) (Topic, bool) {
	for _, t := range f {
		if t.ID == id {
			return t, true
		}
	}
	return Topic{}, false
}

func (f fixedTopics) EachTopic(each func(Topic)) {
	for _, name := range slices.Sorted(maps.Keys(f)) {
		each(f[name])
	}
}

// idOf makes a topic's id from its name.
func idOf(name string) (id TopicID) {
	copy(id[:], name)
	return id
}

// topics reads of=(name:partitions, …).
func (a args) topics() fixedTopics {
	all := fixedTopics{}
	for _, text := range a.list("of") {
		name, number, _ := strings.Cut(text, ":")
		t := Topic{Name: name, ID: idOf(name)}
		fmt.Sscan(number, &t.Partitions)
		all[name] = t
	}
	return all
}

// places reads topic:a+b, …
func places(list []string) Partitions {
	lists := make(map[TopicID][]int32)
	for _, text := range list {
		topic, numbers, _ := strings.Cut(text, ":")
		for _, number := range strings.Split(numbers, "+") {
			var p int32
			fmt.Sscan(number, &p)
			lists[idOf(topic)] = append(lists[idOf(topic)], p)
		}
	}
	return NewPartitions(lists)
}

// String is places backwards.
func (p Partitions) String() string {
	var all []string
	for _, id := range p.TopicIDs() {
		numbers := strings.Trim(strings.ReplaceAll(fmt.Sprint(p[id]), " ", "+"), "[]")
		all = append(all, strings.TrimRight(string(id[:]), "\x00")+":"+numbers)
	}
	return "(" + strings.Join(all, ", ") + ")"
}

// beat sends a heartbeat of the consumer protocol. Epoch 0 fills in what a member
// has to say when it joins.
func (s *story) beat(a args) string {
	r := ConsumerHeartbeatRequest{
		Group: a.str("group", "g"), Member: a.str("member", ""), Epoch: int32(a.num("epoch", 0)),
		RebalanceMs: a.num("rebalance", -1), NamesItself: true, ClientID: "c", Host: "/127.0.0.1",
	}
	optional := func(name string) *string {
		if !a.d.HasArg(name) {
			return nil
		}
		v := a.str(name, strings.TrimSpace(a.d.Input))
		return &v
	}
	r.Instance, r.Rack, r.Pattern, r.Assignor = optional("instance"), optional("rack"), optional("pattern"), optional("assignor")
	if a.d.HasArg("names") {
		r.Names = append([]string{}, a.list("names")...)
	}
	if a.d.HasArg("owned") {
		r.Owned = places(a.list("owned"))
	}
	if r.Epoch == epochJoin && !a.d.HasArg("bare") {
		r.RebalanceMs = a.num("rebalance", 60_000)
		r.Owned = places(a.list("owned"))
		if r.Names == nil && r.Pattern == nil {
			r.Names = []string{"t"}
		}
	}
	resp, fx, err := s.c.ConsumerHeartbeat(s.now, r)
	told := s.told(fx)
	if err != nil {
		return said(err) + told
	}
	assignment := ""
	if resp.Assignment != nil {
		assignment = " assigned " + resp.Assignment.String()
	}
	next := ""
	if a.d.HasArg("next") {
		next = fmt.Sprintf(" next in %d", resp.HeartbeatMs)
	}
	return fmt.Sprintf("%s in epoch %d%s%s\n", resp.Member, resp.Epoch, assignment, next) + told
}

func (s *story) describeConsumer(a args) string {
	d, err := s.c.DescribeConsumer(a.str("group", "g"))
	if err != nil {
		return said(err)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s epoch %d target %d by %s\n", d.Group, d.State, d.Epoch, d.AssignmentEpoch, d.Assignor)
	for _, m := range d.Members {
		fmt.Fprintf(&out, "  %s epoch %d topics %v pattern %q has %v target %v", m.Member, m.Epoch, m.Topics, m.Pattern, m.Assigned, m.Target)
		if m.Instance != "" {
			fmt.Fprintf(&out, " instance %s", m.Instance)
		}
		if m.Classic {
			fmt.Fprintf(&out, " classic")
		}
		fmt.Fprintln(&out)
	}
	return out.String()
}

// shownModern decodes a record of a modern group with the package's own replay.
func shownModern(r Record) string {
	k := reader{rest: r.Key}
	kind, id := k.int16(), k.str(false)
	names := map[int16]string{
		keyEpoch: "epoch", keyTopics: "topics", keyMember: "member", keyTargetEpoch: "target epoch", keyTarget: "target", keyCurrent: "current",
	}
	what := fmt.Sprintf("%s %s", names[kind], id)
	member := ""
	if kind == keyMember || kind == keyTarget || kind == keyCurrent {
		member = k.str(false)
		what += " " + member
	}
	if r.Value == nil {
		return what + ": gone"
	}
	c := New(Config{}, nil)
	if err := c.Replay(r.Key, r.Value); err != nil {
		return what + ": " + err.Error()
	}
	mg := c.groups[id].modern
	m := mg.members[member]
	switch kind {
	case keyEpoch:
		return fmt.Sprintf("%s: %d", what, mg.epoch)
	case keyTargetEpoch:
		return fmt.Sprintf("%s: %d", what, mg.assignmentEpoch)
	case keyTopics:
		return fmt.Sprintf("%s: %v", what, slices.Sorted(maps.Keys(mg.topics)))
	case keyMember:
		return fmt.Sprintf("%s: %v %q classic %v", what, m.names, m.pattern, m.classic != nil)
	case keyTarget:
		return fmt.Sprintf("%s: %v", what, m.target)
	default:
		return fmt.Sprintf("%s: epoch %d after %d, %v, has %v revokes %v", what, m.epoch, m.previous, m.state, m.assigned, m.revoking)
	}
}

func (s memberState) String() string { return [...]string{"stable", "unrevoked", "unreleased"}[s] }

// owning is a subscription of version 1 with what the consumer owns.
func owning(topics, owned []string) []byte {
	w := writer{}
	w.int16(1)
	w.strs(topics)
	w.int32(-1)
	p := places(owned)
	w.count(len(p))
	for _, id := range p.TopicIDs() {
		w.str(strings.TrimRight(string(id[:]), "\x00"))
		w.int32s(p[id])
	}
	return w.b
}

// encodedAssignment is a consumer's assignment, from topic/a+b.
func encodedAssignment(text string) []byte {
	w := writer{}
	w.int16(1)
	topic, numbers, ok := strings.Cut(text, "/")
	if !ok {
		w.count(0)
	} else {
		p := places([]string{topic + ":" + numbers})
		w.count(1)
		w.str(topic)
		w.int32s(p[idOf(topic)])
	}
	w.int32(-1)
	return w.b
}

// decodedAssignment is encodedAssignment backwards, for more topics than one.
func decodedAssignment(b []byte) (string, bool) {
	r := reader{rest: b}
	if r.int16() > subscriptionRack || len(b) < 8 {
		return "", false
	}
	lists := make(map[TopicID][]int32)
	for range r.count() {
		id := idOf(r.str(false))
		lists[id] = r.int32s()
	}
	return NewPartitions(lists).String(), !r.bad
}

// setGroupConfig sets the times of group g alone; none, unless both are named.
func (s *story) setGroupConfig(a args) string {
	configs := map[string]GroupConfig{}
	if a.d.HasArg("session") {
		configs["g"] = GroupConfig{SessionMs: a.num("session", 0), HeartbeatMs: a.num("heartbeat", 0)}
	}
	s.c.SetGroupConfigs(s.now, configs)
	return ""
}
