package group

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/lockstep-log/lockstep/protocol"
)

// Goal: the rules of the classic protocol, told as conversations. Method: each
// story drives one coordinator; every reply and record it yields is printed.
// "restart" folds the records into a new coordinator, which must then hold what
// the old one had written.
func TestStories(t *testing.T) {
	datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
		s := newStory(Config{})
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return s.run(t, d) })
	})
}

// story is a coordinator, its log and the calls that wait.
type story struct {
	c      *Coordinator
	cfg    Config
	log    []written
	now    int64
	ids    int
	calls  []string // names, by CallID-1
	topics fixedTopics
}

// written is what the log has: a record, which may be of a transaction, or a marker.
type written struct {
	Record
	by       *Producer
	isMarker bool
	commit   bool
}

func (w *written) replay(c *Coordinator) error {
	switch {
	case w.isMarker:
		c.EndTransaction(w.by.ID, w.commit)
		return nil
	case w.by != nil:
		return c.ReplayInTransaction(*w.by, w.Key, w.Value)
	}
	return c.Replay(w.Key, w.Value)
}

func newStory(cfg Config) *story {
	s := &story{cfg: cfg}
	s.c = s.open()
	s.c.Start(0)
	return s
}

func (s *story) open() *Coordinator {
	c := New(s.cfg, func() string { s.ids++; return fmt.Sprint(s.ids) })
	c.SetTopics(s.topics)
	return c
}

func (s *story) run(t *testing.T, d *datadriven.TestData) string {
	a := args{t, d}
	switch d.Cmd {
	case "config":
		s.cfg = Config{
			InitialDelayMs: a.num("delay", 0), MembersMax: int(a.num("members", 0)), MetadataBytesMax: protocol.LimitOf(a.num("metadata", 4096)),
			GroupsMax: int(a.num("groups", 0)), GroupBytesMax: int(a.num("bytes", 0)), RetentionMs: a.num("retention", 0),
		}
		*s = *newStory(s.cfg)
		return ""
	case "join":
		return s.told(s.c.Join(s.now, s.call(a), a.join()))
	case "sync":
		return s.told(s.c.Sync(s.now, s.call(a), a.sync()))
	case "heartbeat":
		return said(s.c.Heartbeat(s.now, HeartbeatRequest{a.str("group", "g"), a.str("member", ""), a.str("instance", ""), int32(a.num("gen", 0))}))
	case "leave":
		return s.leave(a)
	case "commit":
		return s.commit(a)
	case "marker":
		commit := !a.d.HasArg("abort")
		s.log = append(s.log, written{by: &Producer{ID: a.num("pid", 0)}, isMarker: true, commit: commit})
		s.c.EndTransaction(a.num("pid", 0), commit)
		return ""
	case "topics":
		s.topics = a.topics()
		s.c.SetTopics(s.topics)
		return ""
	case "group-config":
		return s.setGroupConfig(a)
	case "beat":
		return s.beat(a)
	case "describe-consumer":
		return s.describeConsumer(a)
	case "may-fetch":
		return said(s.c.MayFetch(a.str("group", "g"), a.str("member", ""), int32(a.num("epoch", -1))))
	case "fetch":
		return s.fetch(a)
	case "forget-topic":
		return s.told(s.c.ForgetTopic(a.str("topic", "")))
	case "delete-offsets":
		errs, fx, err := s.c.DeleteOffsets(a.str("group", "g"), a.partitions())
		return saidAll(errs, err) + s.told(fx)
	case "delete":
		fx, err := s.c.Delete(a.str("group", "g"))
		return said(err) + s.told(fx)
	case "list":
		return s.list()
	case "describe":
		return s.describe(a)
	case "wait":
		return s.wait(a.num("ms", 0))
	case "restart":
		return s.restart(t)
	}
	return "unknown command"
}

// wait lets time pass, deadline by deadline.
func (s *story) wait(ms int64) string {
	var out strings.Builder
	for end := s.now + ms; ; {
		due, ok := s.c.NextDeadline()
		if !ok || due > end {
			s.now = end
			return out.String()
		}
		s.now = max(due, s.now)
		if told := s.told(s.c.Tick(s.now)); told != "" {
			fmt.Fprintf(&out, "at %d:\n%s", s.now, told)
		}
	}
}

func (s *story) restart(t *testing.T) string {
	s.c = s.open()
	for i := range s.log {
		if err := s.log[i].replay(s.c); err != nil {
			t.Fatal(err)
		}
	}
	s.c.Start(s.now)
	return s.list()
}

func (s *story) call(a args) CallID {
	s.calls = append(s.calls, a.str("as", a.str("member", "?")))
	return CallID(len(s.calls))
}

func (s *story) leave(a args) string {
	r := LeaveRequest{Group: a.str("group", "g")}
	for _, m := range a.list("members") {
		r.Members = append(r.Members, Leaver{Member: m})
	}
	for _, i := range a.list("instances") {
		r.Members = append(r.Members, Leaver{Instance: i})
	}
	resp, fx := s.c.Leave(s.now, r)
	return saidAll(resp.Members, resp.Err) + s.told(fx)
}

func (s *story) commit(a args) string {
	r := CommitRequest{
		Group: a.str("group", "g"), Member: a.str("member", ""), Instance: a.str("instance", ""),
		Generation: int32(a.num("gen", -1)), RetentionMs: a.num("retention", -1), KnowsEpochs: !a.d.HasArg("v8"),
	}
	for _, tp := range a.partitions() {
		r.Offsets = append(r.Offsets, Commit{tp, a.num("offset", 0), int32(a.num("epoch", -1)), a.str("metadata", "")})
	}
	commit := s.c.Commit
	if a.d.HasArg("pid") {
		commit = func(now int64, r CommitRequest) ([]error, Effects, error) {
			return s.c.CommitInTransaction(now, r, Producer{ID: a.num("pid", 0)})
		}
	}
	errs, fx, err := commit(s.now, r)
	return saidAll(errs, err) + s.told(fx)
}

func (s *story) fetch(a args) string {
	all := s.c.FetchAll(a.str("group", "g"), a.d.HasArg("stable"))
	if tps := a.partitions(); tps != nil {
		all = s.c.Fetch(a.str("group", "g"), tps)
	}
	var out strings.Builder
	for _, o := range all {
		fmt.Fprintf(&out, "%s-%d: %d epoch %d %q found %v", o.Topic, o.Partition, o.Offset.Offset, o.LeaderEpoch, o.Metadata, o.Found)
		if o.Undecided {
			out.WriteString(", undecided")
		}
		out.WriteString("\n")
	}
	return out.String()
}

func (s *story) list() string {
	var out strings.Builder
	for _, l := range s.c.List() {
		fmt.Fprintf(&out, "%s %q %s\n", l.Group, l.ProtocolType, l.State)
	}
	return out.String()
}

func (s *story) describe(a args) string {
	d, _ := s.c.Describe(a.str("group", "g"))
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s protocol %q\n", d.Group, d.State, d.Protocol)
	for _, m := range d.Members {
		fmt.Fprintf(&out, "  %s instance %q client %q host %q assigned %q\n", m.Member, m.Instance, m.ClientID, m.Host, m.Assignment)
	}
	return out.String()
}

// told prints effects and appends the records to the log.
func (s *story) told(fx Effects) string {
	var out strings.Builder
	for _, r := range fx.Records {
		s.log = append(s.log, written{Record: r, by: fx.Transaction})
		fmt.Fprintf(&out, "record %s\n", shown(r))
	}
	for _, r := range fx.Replies {
		fmt.Fprintf(&out, "%s ← %s\n", s.calls[r.Call-1], answered(r.Response))
	}
	return out.String()
}

// shown decodes a record with the package's own replay.
func shown(r Record) string {
	k := reader{rest: r.Key}
	kind := k.int16()
	if kind > keyGroup {
		return shownModern(r)
	}
	if kind == keyGroup {
		id := k.str(false)
		if r.Value == nil {
			return fmt.Sprintf("group %s: gone", id)
		}
		g := newGroup(id, 0)
		New(Config{}, nil).readGroup(g, r.Value)
		names := make([]string, len(g.members))
		for i, m := range g.members {
			names[i] = fmt.Sprintf("%s=%s", m.id, m.assignment)
			if text, ok := decodedAssignment(m.assignment); ok {
				names[i] = m.id + "=" + text
			}
		}
		return fmt.Sprintf("group %s: generation %d %q leader %q members %v", id, g.generation, g.protocol, g.leader, names)
	}
	id, topic, partition := k.str(false), k.str(false), k.int32()
	if r.Value == nil {
		return fmt.Sprintf("offset %s %s-%d: gone", id, topic, partition)
	}
	o, _ := readOffset(r.Value)
	return fmt.Sprintf("offset %s %s-%d: %d", id, topic, partition, o.Offset)
}

func answered(response any) string {
	switch r := response.(type) {
	case JoinResponse:
		if r.Err != nil {
			return fmt.Sprintf("join of %q: %v", r.Member, r.Err)
		}
		members := make([]string, len(r.Members))
		for i, m := range r.Members {
			members[i] = m.Member
		}
		skip := ""
		if r.SkipAssignment {
			skip = ", skip assignment"
		}
		return fmt.Sprintf("joined generation %d as %s, protocol %s, leader %s, members %v%s", r.Generation, r.Member, r.Protocol, r.Leader, members, skip)
	case SyncResponse:
		if r.Err != nil {
			return fmt.Sprintf("sync: %v", r.Err)
		}
		if text, ok := decodedAssignment(r.Assignment); ok {
			return "assigned " + text
		}
		return fmt.Sprintf("assigned %q", r.Assignment)
	}
	return fmt.Sprintf("%T", response)
}

func said(err error) string {
	if err == nil {
		return "ok\n"
	}
	return err.Error() + "\n"
}

func saidAll(errs []error, err error) string {
	if err != nil {
		return said(err)
	}
	var out strings.Builder
	for _, e := range errs {
		out.WriteString(said(e))
	}
	return out.String()
}

// args reads a command's arguments.
type args struct {
	t *testing.T
	d *datadriven.TestData
}

func (a args) str(name, def string) string {
	for _, arg := range a.d.CmdArgs {
		if arg.Key == name && len(arg.Vals) > 0 {
			return arg.Vals[0]
		}
	}
	return def
}

func (a args) list(name string) []string {
	for _, arg := range a.d.CmdArgs {
		if arg.Key == name {
			return arg.Vals
		}
	}
	return nil
}

func (a args) num(name string, def int64) int64 {
	n := def
	if text := a.str(name, ""); text != "" {
		if _, err := fmt.Sscan(text, &n); err != nil {
			a.d.Fatalf(a.t, "%s: %v", name, err)
		}
	}
	return n
}

// partitions reads on=(topic:partition, …).
func (a args) partitions() (tps []TopicPartition) {
	for _, text := range a.list("on") {
		var p int32
		topic, number, _ := strings.Cut(text, ":")
		fmt.Sscan(number, &p)
		tps = append(tps, TopicPartition{topic, p})
	}
	return tps
}

func (a args) join() JoinRequest {
	r := JoinRequest{
		Group: a.str("group", "g"), Member: a.str("member", ""), Instance: a.str("instance", ""),
		ClientID: a.str("client", "c"), Host: "/127.0.0.1",
		SessionMs: a.num("session", 10_000), RebalanceMs: a.num("rebalance", 60_000),
		ProtocolType: a.str("type", consumerType), RequireKnownID: a.d.HasArg("v4"), CanSkipAssignment: a.d.HasArg("v9"),
	}
	names := a.list("protocols")
	if !a.d.HasArg("protocols") {
		names = []string{"range"}
	}
	for _, name := range names {
		metadata := encodedSubscription(a.list("topics")...)
		if a.d.HasArg("owned") {
			metadata = owning(a.list("topics"), a.list("owned"))
		}
		r.Protocols = append(r.Protocols, Protocol{name, metadata})
	}
	return r
}

func (a args) sync() SyncRequest {
	r := SyncRequest{
		Group: a.str("group", "g"), Member: a.str("member", ""), Instance: a.str("instance", ""),
		Generation: int32(a.num("gen", 0)), Protocol: a.str("protocol", ""),
	}
	for _, text := range a.list("assign") {
		id, assignment, _ := strings.Cut(text, ":")
		bytes := []byte(assignment)
		if a.d.HasArg("encoded") {
			bytes = encodedAssignment(assignment)
		}
		r.Assignments = append(r.Assignments, Assignment{id, bytes})
	}
	return r
}

// encodedSubscription is a consumer's, of version 1, without user data.
func encodedSubscription(topics ...string) []byte {
	w := writer{}
	w.int16(1)
	w.int32(int32(len(topics)))
	for _, topic := range slices.Sorted(slices.Values(topics)) {
		w.str(topic)
	}
	w.int32(-1)
	w.int32(0)
	return w.b
}
