package segment

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// Stories of one log each, in testdata/stories. What happens is what is written
// there; `go test -rewrite` writes it anew.
func TestStories(t *testing.T) {
	datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
		s := &story{t: t, fs: vfs.NewCrashableMem(), cfg: Config{}}
		must(t, s.fs.MkdirAll("/", 0o755))
		datadriven.RunTest(t, path, s.run)
		if s.log != nil {
			_ = s.log.Close() // the story may have broken it
		}
	})
}

type story struct {
	t   *testing.T
	fs  *vfs.MemFS
	cfg Config
	log *Log
}

func (s *story) run(t *testing.T, d *datadriven.TestData) string {
	s.t = t
	var out strings.Builder
	if err := s.do(d, &out); err != nil {
		fmt.Fprintf(&out, "error: %v\n", err)
	}
	if out.Len() == 0 {
		return "ok\n"
	}
	return out.String()
}

func num(d *datadriven.TestData, key string, otherwise int64) int64 {
	for _, arg := range d.CmdArgs {
		if arg.Key == key {
			var n int64
			_, err := fmt.Sscan(arg.Vals[0], &n)
			if err != nil {
				panic(err)
			}
			return n
		}
	}
	return otherwise
}

func (s *story) do(d *datadriven.TestData, out *strings.Builder) (err error) {
	offset := func(key string, otherwise protocol.Offset) protocol.Offset {
		return protocol.Offset(num(d, key, int64(otherwise)))
	}
	switch d.Cmd {
	case "open":
		s.cfg.SegmentBytes = num(d, "segment-bytes", s.cfg.SegmentBytes)
		s.cfg.IndexIntervalBytes = num(d, "index-interval", s.cfg.IndexIntervalBytes)
		s.cfg.SegmentMs = num(d, "segment-ms", s.cfg.SegmentMs)
		if s.log, err = Open(s.fs, "/log", s.cfg); err == nil {
			r := s.log.Recovery()
			fmt.Fprintf(out, "clean %v, scanned %d, truncated %d\n", r.Clean, r.ScannedBytes, r.TruncatedBytes)
			s.state(out)
		}
		return err
	case "close":
		return s.log.Close()
	case "append":
		return s.append(d, offset("base", s.log.End()))
	case "sync":
		return s.log.Sync()
	case "checkpoint":
		return s.log.Checkpoint()
	case "crash":
		// All or nothing: in between, chance would tell the story.
		rng := rand.New(rand.NewPCG(1, 0))
		s.fs = s.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: int(num(d, "survives", 0)), RNG: rng})
		return s.log.w.closeFiles()
	case "truncate":
		defer s.state(out)
		return s.log.Truncate(offset("to", 0))
	case "set-start":
		defer s.state(out)
		return s.log.SetStart(offset("to", 0))
	case "retain":
		defer s.state(out)
		cfg := s.cfg
		cfg.RetentionBytes, cfg.RetentionMs = protocol.LimitOf(num(d, "bytes", -1)), protocol.LimitOf(num(d, "ms", -1))
		s.log.SetConfig(cfg)
		_, err = s.log.Retain(num(d, "now", 0), offset("below", s.log.End()))
		return err
	case "write":
		b := keyed(s.t, s.log, protocol.LeaderEpoch(num(d, "epoch", 0)), num(d, "time", 0), strings.Fields(d.Input)...)
		fmt.Fprintf(out, "offsets %d to %d\n", b.BaseOffset(), b.LastOffset())
		return nil
	case "roll":
		roll(s.t, s.log)
		return nil
	case "compact":
		return s.compact(d, out, offset("below", s.log.End()))
	case "contents":
		for _, word := range words(s.t, s.log) {
			fmt.Fprintln(out, word)
		}
		return nil
	case "read":
		return s.read(out, offset("from", s.log.Start()), offset("below", everything), int(num(d, "max", 1<<20)))
	case "time":
		o, at, epoch, ok, err := s.log.OffsetForTime(num(d, "at", 0))
		fmt.Fprintf(out, "offset %d time %d epoch %d found %v\n", o, at, epoch, ok)
		return err
	case "max-time":
		o, at, epoch, ok, err := s.log.MaxTimestamp()
		fmt.Fprintf(out, "offset %d time %d epoch %d found %v\n", o, at, epoch, ok)
		return err
	case "epoch-end":
		epoch, end := s.log.EpochEnd(protocol.LeaderEpoch(num(d, "of", 0)))
		fmt.Fprintf(out, "epoch %d ends at %d\n", epoch, end)
		return nil
	case "save":
		return s.log.WriteCheckpoint("fold", offset("at", s.log.End()), []byte(d.Input))
	case "saved":
		at, data, ok := s.log.ReadCheckpoint("fold", offset("at-most", everything))
		fmt.Fprintf(out, "at %d %q %v\n", at, data, ok)
		return nil
	default:
		return s.onDisk(d, out)
	}
}

// onDisk looks at files, and damages them.
func (s *story) onDisk(d *datadriven.TestData, out *strings.Builder) error {
	var file string
	d.MaybeScanArgs(s.t, "file", &file)
	path := "/log/" + file
	switch d.Cmd {
	case "files":
		names, err := s.fs.List("/log")
		slices.Sort(names)
		for _, name := range names {
			size, err := fileSize(s.fs, "/log/"+name)
			must(s.t, err)
			fmt.Fprintf(out, "%s %d\n", name, size)
		}
		return err
	case "dump":
		return Dump(s.fs, path, out)
	case "remove":
		return s.fs.Remove(path)
	case "flip", "zero", "grow":
		b, err := readFile(s.fs, path)
		if err != nil {
			return err
		}
		pos, n := num(d, "pos", 0), num(d, "bytes", 1)
		switch d.Cmd {
		case "flip":
			b[pos] ^= 0xff
		case "zero":
			clear(b[pos : pos+n])
		case "grow":
			b = append(b, bytes.Repeat([]byte{byte(num(d, "with", 0))}, int(n))...)
		}
		return writeFile(s.fs, "/log", file, b)
	default:
		return fmt.Errorf("what is %q?", d.Cmd)
	}
}

func (s *story) append(d *datadriven.TestData, base protocol.Offset) error {
	var group []record.Batch
	for range num(d, "batches", 1) {
		n, at := num(d, "records", 1), num(d, "time", 0)
		times := make([]int64, n)
		for i := range times {
			times[i] = at + int64(i)
		}
		b := batch(s.t, batchSpec{
			base: base, epoch: protocol.LeaderEpoch(num(d, "epoch", 0)), times: times,
			value: bytes.Repeat([]byte{'v'}, int(num(d, "value", 0))),
		})
		base = b.NextOffset()
		group = append(group, b)
	}
	return s.log.Append(num(d, "now", 0), group...)
}

func (s *story) compact(d *datadriven.TestData, out *strings.Builder, below protocol.Offset) error {
	defer s.state(out)
	c, err := compactWhole(s.log, CompactOptions{
		Below: below, NowMs: num(d, "now", 0), MinLagMs: num(d, "min-lag", 0), DeleteRetentionMs: num(d, "delete-retention", 0),
	})
	if c == nil {
		fmt.Fprintln(out, "nothing to do")
		return err
	}
	x := c.Stats()
	fmt.Fprintf(out, "%d keys, %d of %d records left, %d segments became %d\n", x.Keys, x.RecordsOut, x.RecordsIn, x.SegmentsIn, x.SegmentsOut)
	return err
}

func (s *story) read(out *strings.Builder, from, below protocol.Offset, maxBytes int) error {
	r, err := s.log.Read(from, below, maxBytes, true)
	if err != nil {
		return err
	}
	defer r.Close()
	b, err := r.AppendTo(nil)
	if err != nil {
		return err
	}
	for len(b) > 0 {
		one, n, err := record.View(b)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "[%d-%d] ", one.BaseOffset(), one.LastOffset())
		b = b[n:]
	}
	fmt.Fprintf(out, "next %d\n", r.NextOffset())
	return nil
}

func (s *story) state(out *strings.Builder) {
	l := s.log
	fmt.Fprintf(out, "start %d end %d segments %d bytes %d epochs", l.Start(), l.End(), l.Segments(), l.Size())
	for _, e := range l.snap.Load().epochs {
		fmt.Fprintf(out, " %d@%d", e.epoch, e.start)
	}
	out.WriteString("\n")
}
