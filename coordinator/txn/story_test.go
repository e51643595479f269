package txn

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// Goal: the rules of transactions, told as conversations with one coordinator.
// Method: every record, marker and reply that a command yields is printed.
// "marked" tells that all markers asked for are written; "restart" folds the
// records into a new coordinator.
func TestStories(t *testing.T) {
	datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
		s := &story{gone: goneTopics{}}
		s.open()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return s.run(t, d) })
	})
}

// goneTopics are those that do not exist.
type goneTopics map[string]bool

func (g goneTopics) Exists(p Partition) bool { return !g[p.Topic] }

// story is a coordinator, its log and the markers that are asked for.
type story struct {
	c       *Coordinator
	cfg     Config
	gone    goneTopics
	log     []Record
	markers []Markers
	now     int64
	ids     int64
}

func (s *story) open() {
	s.c = New(s.cfg, s.gone)
	s.give()
}

// give has a producer id in stock whenever one is needed.
func (s *story) give() {
	if len(s.c.spare) == 0 {
		s.ids++
		s.c.GiveProducerIDs(s.ids * 1000)
	}
}

func (s *story) run(t *testing.T, d *datadriven.TestData) string {
	defer s.give()
	id := "a"
	d.MaybeScanArgs(t, "id", &id)
	p := Producer{number(t, d, "pid", 1000), int16(number(t, d, "epoch", 0))}
	switch d.Cmd {
	case "init":
		return s.init(t, d, id, p)
	case "add":
		fx, err := s.c.Add(s.now, AddRequest{id, p, partitions(t, d), d.HasArg("implicit")})
		return said(err) + s.told(fx)
	case "verify":
		errs, err := s.c.Verify(id, p, partitions(t, d))
		return strings.Trim(fmt.Sprint(errs), "[]") + "\n" + said(err)
	case "commit", "abort":
		p, done, fx, err := s.c.End(s.now, EndRequest{id, p, d.Cmd == "commit", d.HasArg("v5"), 1})
		if !done {
			return "waits for markers\n" + s.told(fx)
		}
		return told(p, err) + s.told(fx)
	case "tool-abort":
		p, done, fx, err := s.c.Abort(s.now, id, 2)
		if !done {
			return "waits for markers\n" + s.told(fx)
		}
		return told(p, err) + s.told(fx)
	case "marked":
		var fx Effects
		markers := s.markers
		s.markers = nil
		for _, m := range markers {
			more := s.c.Marked(s.now, m)
			fx.Records, fx.Replies = append(fx.Records, more.Records...), append(fx.Replies, more.Replies...)
		}
		return s.told(fx)
	case "delete-topic":
		s.gone[d.CmdArgs[0].Key] = true
		return s.told(s.c.SetTopics(s.now, s.gone))
	case "wait":
		s.now += number(t, d, "ms", 0)
		return s.told(s.c.Tick(s.now))
	case "restart":
		s.open()
		for _, r := range s.log {
			if err := s.c.Replay(r.Key, r.Value); err != nil {
				t.Fatal(err)
			}
		}
		s.markers = nil
		return s.told(s.c.Start(s.now))
	case "list":
		return s.list(t, d)
	}
	return "unknown command"
}

func (s *story) init(t *testing.T, d *datadriven.TestData, id string, p Producer) string {
	if !d.HasArg("epoch") {
		p = Producer{None, noEpoch}
	}
	p, fx, err := s.c.Init(s.now, InitRequest{id, int32(number(t, d, "timeout", 60_000)), p})
	return told(p, err) + s.told(fx)
}

func (s *story) list(t *testing.T, d *datadriven.TestData) string {
	f := Filter{DurationMs: number(t, d, "duration", 0)}
	if d.HasArg("pattern") {
		var err error
		if f.Pattern, err = CompilePattern(d.CmdArgs[0].Vals[0]); err != nil {
			return err.Error()
		}
	}
	var b strings.Builder
	for _, x := range s.c.List(s.now, f) {
		fmt.Fprintf(&b, "%s %v %d/%d start %d %v\n", x.TransactionalID, x.State, x.Producer.ID, x.Producer.Epoch, x.StartMs, names(x.Partitions))
	}
	return b.String()
}

// told prints effects, and keeps what they ask for.
func (s *story) told(fx Effects) string {
	var b strings.Builder
	for _, r := range fx.Records {
		s.log = append(s.log, r)
		if r.Value == nil {
			fmt.Fprintf(&b, "record: forgotten\n")
			continue
		}
		t, err := read(r.Value)
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&b, "record: %v %d/%d %v\n", t.state, t.producer.ID, t.producer.Epoch, names(sorted(t.partitions)))
	}
	for _, m := range fx.Markers {
		s.markers = append(s.markers, m)
		what := "abort"
		if m.Commit {
			what = "commit"
		}
		fmt.Fprintf(&b, "markers: %s %d/%d %v\n", what, m.ID, m.Epoch, names(m.Partitions))
	}
	for _, r := range fx.Replies {
		fmt.Fprintf(&b, "reply: %d/%d\n", r.ID, r.Epoch)
	}
	return b.String()
}

func names(all []Partition) (texts []string) {
	for _, p := range all {
		texts = append(texts, fmt.Sprintf("%s-%d", p.Topic, p.Index))
	}
	return texts
}

// partitions reads them as t=(0,1) u=0.
func partitions(t *testing.T, d *datadriven.TestData) (all []Partition) {
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "id", "pid", "epoch", "implicit":
			continue
		}
		for i := range arg.Vals {
			p := Partition{Topic: arg.Key, TopicID: [16]byte{arg.Key[0]}}
			index, err := strconv.Atoi(arg.Vals[i])
			if err != nil {
				t.Fatal(err)
			}
			p.Index = int32(index)
			all = append(all, p)
		}
	}
	return all
}

func number(t *testing.T, d *datadriven.TestData, key string, otherwise int64) int64 {
	d.MaybeScanArgs(t, key, &otherwise)
	return otherwise
}

func told(p Producer, err error) string {
	if err != nil {
		return said(err)
	}
	return fmt.Sprintf("%d/%d\n", p.ID, p.Epoch)
}

var shortNames = map[error]string{
	ErrInvalidRequest: "INVALID_REQUEST", ErrInvalidTimeout: "INVALID_TRANSACTION_TIMEOUT", ErrConcurrent: "CONCURRENT_TRANSACTIONS",
	ErrFenced: "PRODUCER_FENCED", ErrMapping: "INVALID_PRODUCER_ID_MAPPING", ErrInvalidState: "INVALID_TXN_STATE",
	ErrAbortable: "TRANSACTION_ABORTABLE", ErrNotFound: "TRANSACTIONAL_ID_NOT_FOUND",
}

func said(err error) string {
	for known, name := range shortNames {
		if errors.Is(err, known) {
			return name + "\n"
		}
	}
	if err != nil {
		return err.Error() + "\n"
	}
	return ""
}
