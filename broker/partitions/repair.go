package partitions

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/segment"
)

// repairedLogsFile lists the logs that may lack what was acknowledged, since Repair
// had to cut them, or others in the directory, and that have not been opened since:
// a directory in which files are missing may be a copy, and then the logs without
// a gap are just older. Which brokers hold a partition, the metadata knows and a
// data directory does not. So the start after a repair decides: a log that others
// hold too does not count until it has caught up with them; one that nobody else
// holds is what there is.
const repairedLogsFile = "repaired.list"

// errLogRepaired is such a log, of a partition that others hold too.
var errLogRepaired = fmt.Errorf(
	"lockstep repair was at work on its directory, and other brokers hold the partition: %w", errLogLost)

// leftOutDir is where Repair puts what it takes out, below a directory each time.
const leftOutDir = "left-out"

// RepairOptions says what Repair does.
type RepairOptions struct {
	DataDir string
	DryRun  bool // look, and change nothing
	// Original: the directory is what the broker itself left, and no copy, so that
	// the logs that are whole have all that they had.
	Original bool
	Now      time.Time
}

// Repaired is what Repair found, and did.
type Repaired struct {
	Aside string // where it put what it took out
	Logs  []RepairedLog
	Locks error // what was wrong with the lock base, which is made anew of the logs then
}

// RepairedLog is one log.
type RepairedLog struct {
	Name  string // TOPIC-PARTITION
	Dir   string
	Whole *segment.Whole // nil: nothing is known of it
	Err   error          // why it could not be looked at, or be repaired
}

// Repair reads every batch of every log of a data directory that no broker has
// open. A log that is not whole ends at its first gap from then on; what is
// behind is put aside and not thrown away.
func Repair(fs vfs.FS, o RepairOptions) (r Repaired, err error) {
	logs := filepath.Join(o.DataDir, "logs")
	names, err := fs.List(logs)
	if err != nil {
		return r, fmt.Errorf("%s is no data directory: %w", o.DataDir, err)
	}
	lock, err := segment.LockDir(fs, o.DataDir)
	if err != nil {
		return r, fmt.Errorf("%w; stop the broker first", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	p := repair{fs: fs, o: o}
	p.out.Aside = filepath.Join(o.DataDir, leftOutDir, o.Now.UTC().Format("20060102T150405Z"))
	if p.cut, err = openLogList(fs, o.DataDir, repairedLogsFile); err != nil {
		return r, err
	}
	kept, err := openLogList(fs, o.DataDir, logListFile)
	if err != nil {
		return r, err
	}
	slices.Sort(names)
	for _, name := range names {
		if _, id, err := PartitionOfDir(name); err == nil {
			p.all = append(p.all, id)
		}
	}
	for _, name := range names {
		p.log(filepath.Join(logs, name))
	}
	p.lost(kept, names)
	if !o.DryRun {
		err = p.locks()
	}
	return p.out, err
}

// repair is one run.
type repair struct {
	fs  vfs.FS
	o   RepairOptions
	cut *logList
	all []protocol.TopicPartition
	out Repaired
}

func (p *repair) log(dir string) {
	name, id, err := PartitionOfDir(dir)
	if err != nil {
		return // somebody else's
	}
	l := RepairedLog{Name: name, Dir: dir}
	l.Whole, l.Err = segment.Inspect(p.fs, dir, true)
	if l.Err == nil && !l.Whole.Right() && !p.o.DryRun {
		l.Whole, l.Err = p.repair(dir, id)
	}
	p.out.Logs = append(p.out.Logs, l)
}

// repair notes which logs may lack something before the first is cut: a broker
// that starts meanwhile must know.
func (p *repair) repair(dir string, id protocol.TopicPartition) (*segment.Whole, error) {
	suspect := p.all
	if p.o.Original {
		suspect = []protocol.TopicPartition{id}
	}
	if err := errors.Join(p.cut.add(suspect), RemoveCleanShutdown(p.fs, p.o.DataDir)); err != nil {
		return nil, err
	}
	return segment.Repair(p.fs, dir, filepath.Join(p.out.Aside, filepath.Base(dir)))
}

// lost notes the logs that were made here and are not there at all.
func (p *repair) lost(kept *logList, names []string) {
	for text := range kept.set {
		topic, index, _ := cutLast(text, "-")
		if !slices.ContainsFunc(names, func(name string) bool { return strings.HasSuffix(name, "-"+index+"."+topic) }) {
			gone := errors.New("partition log is missing; nothing of it can be repaired")
			p.out.Logs = append(p.out.Logs, RepairedLog{Name: text, Err: gone})
		}
	}
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// locks puts a lock base aside that cannot be opened. It is never truth.
func (p *repair) locks() error {
	dir := filepath.Join(p.o.DataDir, "locks")
	if _, err := p.fs.Stat(dir); err != nil {
		return nil
	}
	base, err := conflict.OpenBase(p.fs, dir)
	if err == nil {
		return base.Close()
	}
	p.out.Locks = err
	if err := p.fs.MkdirAll(p.out.Aside, 0o755); err != nil {
		return err
	}
	return p.fs.Rename(dir, filepath.Join(p.out.Aside, "locks"))
}
