package conflict

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// TestStories runs testdata/stories: the rules of docs/protocol.md, each as a
// conversation with one partition. A line of append's input is one record:
//
//	value [| header: text]…        a header without ": text" is null
func TestStories(t *testing.T) {
	datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
		var s *story
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "new" {
				if s != nil {
					s.p.close(false)
				}
				s = newStory(t, d)
				return "ok"
			}
			if s == nil {
				s = newStory(t, d)
			}
			s.p.t = t
			return s.run(d)
		})
		s.p.close(false)
	})
}

// story is a partition whose high watermark follows its end unless it is held.
type story struct {
	p    *partition
	held bool
}

func newStory(t *testing.T, d *datadriven.TestData) *story {
	p := &story{p: newPartition(t, 1<<20)}
	if d.Cmd == "new" {
		lock, id := int64(-1), int64(-1)
		d.MaybeScanArgs(t, "lock-retention", &lock)
		d.MaybeScanArgs(t, "id-retention", &id)
		p.p.options.LockRetentionMs, p.p.options.IDRetentionMs = protocol.LimitOf(lock), protocol.LimitOf(id)
		p.p.close(false)
		p.p.open()
	}
	return p
}

func (s *story) run(d *datadriven.TestData) string {
	p := s.p
	switch d.Cmd {
	case "append":
		outcome := p.propose(s.batch(d), s.policy(d))
		s.commit()
		return outcome
	case "each":
		outcome := p.proposeEach(s.batch(d))
		s.commit()
		return outcome
	case "again":
		return p.again(s.batch(d), d.HasArg("refold"))
	case "control":
		b := s.build(record.NewBuilder(record.CodecNone).Control().Add(record.Record{Value: []byte("marker")}))
		at := p.append(b)
		p.locks.Observe(b)
		s.commit()
		return at
	case "marker":
		id := 1
		d.MaybeScanArgs(s.p.t.(*testing.T), "producer", &id)
		at := p.mark(protocol.ProducerID(id), !d.HasArg("abort"))
		s.commit()
		return at
	case "held":
		h, ok := p.locks.Held([]byte(d.CmdArgs[0].Key))
		if !ok {
			return "not held"
		}
		return fmt.Sprintf("since %d by %q, exclusive %v", h.Since, h.By, h.Exclusive)
	case "hold":
		s.held = true
		return fmt.Sprintf("high watermark stays at %d", p.hw)
	case "commit":
		s.held = false
		s.commit()
		return fmt.Sprintf("high watermark %d", p.hw)
	case "restart":
		p.close(true)
		p.open()
	case "crash":
		p.crash(vfs.CrashCloneCfg{})
		p.open()
	case "lose-base":
		p.loseBase()
		p.open()
	case "truncate":
		p.truncate()
	case "checkpoint":
		p.checkpoint()
	case "evict":
		s.evict()
	case "trim":
		var to int64
		d.ScanArgs(s.p.t.(*testing.T), "to", &to)
		p.trim(protocol.Offset(to))
	case "pass":
		var ms int64
		d.ScanArgs(s.p.t.(*testing.T), "ms", &ms)
		p.nowMs += ms
	case "table":
		return p.table()
	case "last":
		return s.last(d)
	case "refusals":
		return s.refusals()
	case "holds-locks":
		return fmt.Sprint(s.p.locks.HoldsLocks())
	default:
		return "unknown command " + d.Cmd
	}
	return s.state()
}

func (s *story) commit() {
	if !s.held {
		s.p.hw = s.p.end
	}
}

func (s *story) state() string {
	c := s.p.locks
	return fmt.Sprintf("base has %s, window starts at %d, end %d, history starts at %d", c.Applied(), c.windowStart(), s.p.end, c.HistoryStart())
}

// evict leaves nothing in the window: all reads go to the Base.
func (s *story) evict() {
	s.p.checkpoint()
	c := s.p.locks
	for len(c.frozen) > 0 && c.frozen[0].flushed {
		c.frozen[0].release(c.budget)
		c.frozen = c.frozen[1:]
	}
}

func (s *story) policy(d *datadriven.TestData) Policy {
	text := Optional.String()
	d.MaybeScanArgs(s.p.t.(*testing.T), "policy", &text)
	pol, err := ParsePolicy(text)
	s.p.must(err)
	return pol
}

func (s *story) batch(d *datadriven.TestData) record.Batch {
	codec := record.CodecNone
	if d.HasArg("zstd") {
		codec = record.CodecZstd
	}
	b := record.NewBuilder(codec)
	if d.HasArg("transaction") {
		id := 1
		d.MaybeScanArgs(s.p.t.(*testing.T), "producer", &id)
		b.Producer(protocol.ProducerID(id), 0, 0).Transactional()
	}
	for line := range strings.Lines(d.Input) {
		b.Add(recordOf(strings.TrimSpace(line)))
	}
	return s.build(b)
}

func recordOf(line string) record.Record {
	fields := strings.Split(line, " | ")
	r := record.Record{Key: []byte("k"), Value: []byte(fields[0])}
	for _, f := range fields[1:] {
		key, value, ok := strings.Cut(f, ": ")
		h := record.Header{Key: key}
		if ok {
			h.Value = []byte(value)
		}
		r.Headers = append(r.Headers, h)
	}
	return r
}

func (s *story) build(b *record.Builder) record.Batch {
	bytes, err := b.Build()
	s.p.must(err)
	batch, _, err := record.View(bytes)
	s.p.must(err)
	return batch
}

func (s *story) last(d *datadriven.TestData) string {
	name := d.CmdArgs[0].Key
	last, by, known, err := s.p.locks.Last([]byte(name))
	s.p.must(err)
	if !known {
		return "not known"
	}
	return fmt.Sprintf("last=%s by=%q refused=%d", last, by, s.p.locks.RefusedFor(name))
}

func (s *story) refusals() string {
	var b strings.Builder
	entries, n := s.p.locks.Refusals(nil)
	for _, e := range entries {
		head, _, _ := strings.Cut(e.Refusal.Message(), ": ")
		fmt.Fprintf(&b, "%d at end %d id=%q %s\n", e.TimeMs, e.LogEnd, e.ID, head)
	}
	fmt.Fprintf(&b, "%d in all\n", n)
	for _, h := range s.p.locks.HotLocks() {
		fmt.Fprintf(&b, "hot: %s %d\n", h.Lock, h.Refused)
	}
	return b.String()
}
