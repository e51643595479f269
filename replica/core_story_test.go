package replica

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/lockstep-log/lockstep/protocol"
)

// Conversations between cores, told step by step, each with all that it makes
// the cores ask for.
//
//	replicas n=3 min=2               three cores with empty logs, each in broker epoch 1
//	log at=1 start=0 epochs=(1,1,2)  what a log holds, synced, before anything else
//	stand at=(1,2) leader=1 epoch=1 pe=3 isr=(1,2) [isr=(2/5)] [replicas=(1,2)]
//	append at=1 n=2, sync at=1       the leader writes, and syncs
//	fetch from=2 [max=n] [nosync] [lost]   2's fetch goes to its leader, and the answer back
//	delay from=2, late               2's fetch is held back, and comes when it no longer should
//	alter at=1 done|lost             the outcome of the ISR change that 1 asked for
//	confirm at=1                     1 wants to know that it still leads
//	tick now=500, fail at=1, crash at=1 broker-epoch=9 keep=3, min n=2
//	state                            where all stand
func TestCoreStories(t *testing.T) {
	datadriven.Walk(t, "testdata/core", func(t *testing.T, path string) {
		s := &story{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.out.Reset()
			s.step(t, d)
			return s.out.String()
		})
	})
}

type story struct {
	nodes []*node
	now   int64
	min   int
	held  Fetch
	out   strings.Builder
}

// node is a driver of one core.
type node struct {
	core   *Core
	log    *shelf
	self   protocol.Member
	fetch  *Fetch              // on its way to the leader
	change *protocol.ISRChange // asked of the metadata
	nosync bool                // the next append is not synced
	inbox  []protocol.LeaderEpoch
}

func (s *story) step(t *testing.T, d *datadriven.TestData) {
	switch d.Cmd {
	case "replicas":
		s.replicas(t, d)
	case "log":
		n := s.nodes[arg(t, d, "at")-1]
		n.log.start = protocol.Offset(argOr(t, d, "start", 0))
		n.log.epochs = nil
		for _, e := range list(d, "epochs") {
			n.log.append(protocol.LeaderEpoch(number(t, e)))
		}
		n.boot(s, protocol.Offset(argOr(t, d, "hw", 0)))
	case "stand":
		state := s.partitionState(t, d)
		for _, at := range list(d, "at") {
			s.nodes[number(t, at)-1].core.ApplyMetadata(state, s.now)
			s.work()
		}
	case "append":
		n := s.nodes[arg(t, d, "at")-1]
		for range argOr(t, d, "n", 1) {
			n.log.append(n.core.Epoch())
		}
		n.core.Appended(s.now)
	case "sync":
		n := s.nodes[arg(t, d, "at")-1]
		n.core.Synced(n.log.End(), s.now)
	case "fetch":
		s.fetch(t, d)
	case "delay":
		n := s.nodes[arg(t, d, "from")-1]
		s.held, n.fetch = *n.fetch, nil
	case "late":
		n := s.nodes[arg(t, d, "at")-1]
		s.tell("%d answers %s\n", n.self.ID, verdict(n.core.Fetched(s.held, s.now)))
	case "alter":
		n := s.nodes[arg(t, d, "at")-1]
		if n.change == nil {
			s.tell("%d has asked for nothing\n", n.self.ID)
			return
		}
		change := *n.change
		n.change = nil
		n.core.ISRAnswered(change, d.HasArg("done"), s.now)
	case "tick":
		s.now = int64(arg(t, d, "now"))
		for _, n := range s.nodes {
			n.core.Tick(s.now)
			s.work()
		}
	case "min":
		s.nodes[arg(t, d, "at")-1].core.SetMinInsync(arg(t, d, "n"))
	case "confirm":
		s.tell("round %d\n", s.nodes[arg(t, d, "at")-1].core.ConfirmLeadership())
	case "fail":
		s.nodes[arg(t, d, "at")-1].core.Failed(errors.New("the disk is gone"), s.now)
	case "crash":
		n := s.nodes[arg(t, d, "at")-1]
		n.log.truncate(protocol.Offset(arg(t, d, "keep")))
		n.self.BrokerEpoch = protocol.BrokerEpoch(arg(t, d, "broker-epoch"))
		n.fetch, n.change = nil, nil
		n.boot(s, 0)
	case "state":
		s.state()
	default:
		t.Fatalf("unknown command %q", d.Cmd)
	}
	s.work()
}

func (s *story) replicas(t *testing.T, d *datadriven.TestData) {
	s.nodes, s.min, s.now = nil, argOr(t, d, "min", 1), 0
	for i := range arg(t, d, "n") {
		n := &node{log: &shelf{}, self: protocol.Member{ID: protocol.BrokerID(i + 1), BrokerEpoch: 1}}
		s.nodes = append(s.nodes, n)
		n.boot(s, 0)
	}
}

func (n *node) boot(s *story, hw protocol.Offset) {
	n.core = NewCore(CoreOptions{Self: n.self, Log: n.log, HighWatermark: hw, MinInsync: s.min,
		LagMaxMs: 1000, FetchTimeoutMs: 500, RetryMs: 100})
}

// work does what the cores ask for, in order.
func (s *story) work() {
	for _, n := range s.nodes {
		for e, ok := n.core.NextEffect(); ok; e, ok = n.core.NextEffect() {
			s.do(n, e)
		}
	}
}

func (s *story) do(n *node, e CoreEffect) {
	switch e.Kind {
	case CoreRole:
		s.tell("%d is %s in epoch %d\n", n.self.ID, n.core.Role(), n.core.Epoch())
		n.fetch = nil
		if err := n.core.Err(); err != nil {
			s.tell("  because: %v\n", err)
		}
	case CoreCommit:
		s.tell("%d commits up to %d\n", n.self.ID, e.Offset)
	case CoreConfirm:
		s.tell("%d is sure that it led in round %d\n", n.self.ID, e.Round)
	case CoreFetch:
		s.tell("%d fetches at %d, its last epoch %d, in epoch %d\n", n.self.ID, e.Fetch.Offset, e.Fetch.LastEpoch, e.Fetch.Epoch)
		n.fetch = &e.Fetch
	case CoreAppend:
		n.log.append(n.inbox...)
		s.tell("%d appends %d\n", n.self.ID, len(n.inbox))
		n.core.Appended(s.now)
		if !n.nosync {
			n.core.Synced(n.log.End(), s.now)
		}
	case CoreTruncate:
		n.log.truncate(e.Offset)
		s.tell("%d truncates to %d\n", n.self.ID, e.Offset)
		n.core.Truncated(s.now)
	case CoreRestart:
		n.log.restart(e.Offset)
		s.tell("%d begins anew at %d\n", n.self.ID, e.Offset)
		n.core.Truncated(s.now)
	case CoreAlterISR:
		s.tell("%d asks for ISR %s at partition epoch %d\n", n.self.ID, members(e.ISR.ISR), e.ISR.PartitionEpoch)
		n.change = &e.ISR
	case CoreResign:
		s.tell("%d resigns\n", n.self.ID)
	}
}

// fetch carries a fetch to the leader that its sender knows, and the answer back.
func (s *story) fetch(t *testing.T, d *datadriven.TestData) {
	n := s.nodes[arg(t, d, "from")-1]
	if n.fetch == nil {
		s.tell("%d has no fetch on its way\n", n.self.ID)
		return
	}
	f := *n.fetch
	n.fetch = nil
	leader := s.nodes[n.core.Leader()-1]
	a := leader.core.Fetched(f, s.now)
	n.inbox = nil
	if a.Err == nil && !a.Diverging {
		n.inbox = leader.log.from(f.Offset, argOr(t, d, "max", 100))
		a.HasBatches = len(n.inbox) > 0
	}
	s.tell("%d answers %s\n", leader.self.ID, verdict(a))
	s.work()
	if d.HasArg("lost") {
		return
	}
	n.nosync = d.HasArg("nosync")
	n.core.FetchAnswered(a, s.now)
}

func verdict(a FetchAnswer) string {
	switch {
	case a.Err != nil:
		return fmt.Sprintf("%d: %v", a.Fetch.From.ID, a.Err)
	case a.Diverging:
		return fmt.Sprintf("%d: diverging, epoch %d ends at %d", a.Fetch.From.ID, a.DivergingEpoch, a.DivergingEnd)
	}
	return fmt.Sprintf("%d: high watermark %d", a.Fetch.From.ID, a.HighWatermark)
}

func (s *story) state() {
	for _, n := range s.nodes {
		c := n.core
		s.tell("%d: %s epoch %d, log %s, synced %d, high watermark %d", n.self.ID, c.Role(), c.Epoch(), n.log, c.SyncedEnd(), c.HighWatermark())
		if c.Role() == RoleLeader {
			s.tell(", ISR %s", members(c.PartitionState().ISR))
			if !c.Settled() {
				s.tell(", not settled")
			}
			if err := c.MayAppend(AcksAll); err != nil {
				s.tell(", %v", err)
			}
		}
		s.tell("\n")
	}
}

func (s *story) tell(format string, args ...any) { fmt.Fprintf(&s.out, format, args...) }

func members(all protocol.Members) string {
	var ids []string
	for _, m := range all {
		if m.BrokerEpoch == 1 {
			ids = append(ids, fmt.Sprint(m.ID))
		} else {
			ids = append(ids, fmt.Sprintf("%d/%d", m.ID, m.BrokerEpoch))
		}
	}
	return "[" + strings.Join(ids, " ") + "]"
}

func (s *story) partitionState(t *testing.T, d *datadriven.TestData) protocol.PartitionState {
	st := protocol.PartitionState{
		Leader:         protocol.BrokerID(arg(t, d, "leader")),
		LeaderEpoch:    protocol.LeaderEpoch(arg(t, d, "epoch")),
		PartitionEpoch: int32(arg(t, d, "pe")),
	}
	for _, v := range list(d, "replicas") {
		st.Replicas = append(st.Replicas, protocol.BrokerID(number(t, v)))
	}
	for _, n := range s.nodes {
		if !d.HasArg("replicas") {
			st.Replicas = append(st.Replicas, n.self.ID)
		}
	}
	for _, v := range list(d, "isr") {
		m := protocol.Member{BrokerEpoch: 1}
		id, epoch, of := strings.Cut(v, "/")
		m.ID = protocol.BrokerID(number(t, id))
		if of {
			m.BrokerEpoch = protocol.BrokerEpoch(number(t, epoch))
		}
		st.ISR = append(st.ISR, m)
	}
	return st
}

func arg(t *testing.T, d *datadriven.TestData, key string) (n int) {
	d.ScanArgs(t, key, &n)
	return n
}

func argOr(t *testing.T, d *datadriven.TestData, key string, n int) int {
	d.MaybeScanArgs(t, key, &n)
	return n
}

func list(d *datadriven.TestData, key string) []string {
	for _, a := range d.CmdArgs {
		if a.Key == key {
			return a.Vals
		}
	}
	return nil
}

func number(t *testing.T, text string) (n int) {
	if _, err := fmt.Sscan(text, &n); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return n
}
