package dump

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
	"github.com/lockstep-log/lockstep/segment"
)

// Where a data directory keeps its logs and its lock base.
const (
	logsDir  = "logs"
	locksDir = "locks"
)

// dumpedLock is one row of a lock table.
type dumpedLock struct {
	Partition string          `json:"partition" yaml:"partition"`
	Lock      string          `json:"lock" yaml:"lock"`
	Last      protocol.Offset `json:"last" yaml:"last"`
	By        string          `json:"by,omitempty" yaml:"by,omitempty"`
}

// dumpedTable is the outcome of --replay for one partition.
type dumpedTable struct {
	Partition string          `json:"partition" yaml:"partition"`
	LogStart  protocol.Offset `json:"log_start" yaml:"log_start"`
	LogEnd    protocol.Offset `json:"log_end" yaml:"log_end"`
	Locks     int             `json:"locks" yaml:"locks"`
	Replayed  int             `json:"replayed" yaml:"replayed"`
	Equal     bool            `json:"equal" yaml:"equal"`
	Differ    []string        `json:"differ,omitempty" yaml:"differ,omitempty"`
}

// locks prints or compares the lock tables of a data directory, or of one
// partition's directory in it.
func (d *dumpCommand) locks(path string) (err error) {
	path = filepath.Clean(path)
	data, partitions := path, []string(nil)
	if filepath.Base(filepath.Dir(path)) == logsDir {
		data, partitions = filepath.Dir(filepath.Dir(path)), []string{path}
	} else if partitions, err = filepath.Glob(filepath.Join(path, logsDir, "*-*.*")); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(data, locksDir)); err != nil {
		return fmt.Errorf("%s is no data directory: %w", data, err)
	}
	lock, err := segment.LockDir(vfs.Default, data)
	if errors.Is(err, segment.ErrInUse) {
		return fmt.Errorf("%w; stop the broker first", err)
	} else if err != nil {
		return err
	}
	base, err := conflict.OpenBase(vfs.Default, filepath.Join(data, locksDir))
	if err != nil {
		return errors.Join(err, lock.Close())
	}
	defer func() { err = errors.Join(err, base.Close(), lock.Close()) }()
	var differ bool
	for _, dir := range partitions {
		equal, err := d.table(base, dir)
		if err != nil {
			return err
		}
		differ = differ || !equal
	}
	if differ {
		return command.ErrNegative
	}
	return nil
}

// table handles one partition.
func (d *dumpCommand) table(base *conflict.Base, dir string) (equal bool, err error) {
	name, id, err := partitions.PartitionOfDir(dir)
	if err != nil {
		return false, err
	}
	c, err := replica.Compare(replica.Options{
		FS: vfs.Default, Dir: dir, ID: id, Base: base, Budget: conflict.NewBudget(0),
		Settings: replica.Settings{ProducerMs: 1 << 60},
		NowMs:    func() int64 { return time.Now().UnixMilli() }, Logger: slog.New(slog.NewTextHandler(d.s.Err, nil)),
	})
	if err != nil {
		return false, err
	}
	if !d.replay {
		return true, d.rows(name, c.Table)
	}
	out := dumpedTable{name, c.LogStart, c.LogEnd, c.Locks, c.Replayed, len(c.Differ) == 0, c.Differ}
	return out.Equal, d.format.Render(d.s.Out, out, func(w io.Writer) {
		verdict := "equal"
		if !out.Equal {
			verdict = "DIFFERENT"
		}
		fmt.Fprintf(w, "%s: %s: %d locks in the table, %d in a replay of offsets %d to %d\n", name, verdict, out.Locks,
			out.Replayed, int64(out.LogStart), int64(out.LogEnd))
		for _, line := range out.Differ {
			fmt.Fprintln(w, "  "+line)
		}
	})
}

// rows prints a table.
func (d *dumpCommand) rows(partition string, table []replica.LockEntry) error {
	rows := make([]dumpedLock, len(table))
	for i, e := range table {
		rows[i] = dumpedLock{partition, string(protocol.AppendLockName(nil, e.Name)), e.Last, e.By}
	}
	return d.format.Render(d.s.Out, rows, func(w io.Writer) {
		fmt.Fprintln(w, "PARTITION\tLOCK\tLAST\tBY")
		for _, r := range rows {
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", r.Partition, r.Lock, int64(r.Last), command.OrDash(r.By))
		}
	})
}
