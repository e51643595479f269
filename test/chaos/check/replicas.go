package check

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lockstep-log/lockstep/protocol/record"
)

// stored is a batch on disk.
type stored struct {
	base, next int64
	sum        [sha256.Size]byte
}

// Replica is one broker's copy of a partition, read from its files while the
// broker does not run.
type Replica struct {
	Broker  int
	Name    string // of the partition's directory
	batches []stored
}

// End is the offset behind its last batch.
func (r *Replica) End() int64 {
	if len(r.batches) == 0 {
		return 0
	}
	return r.batches[len(r.batches)-1].next
}

// ReadReplicas reads all logs in a data directory, by directory name. Each batch
// must have its checksum right.
func ReadReplicas(broker int, dataDir string) (map[string]*Replica, error) {
	dirs, err := filepath.Glob(filepath.Join(dataDir, "logs", "*"))
	if err != nil {
		return nil, err
	}
	replicas := map[string]*Replica{}
	for _, dir := range dirs {
		r := &Replica{Broker: broker, Name: filepath.Base(dir)}
		if err := r.read(dir); err != nil {
			return nil, err
		}
		replicas[r.Name] = r
	}
	return replicas, nil
}

func (r *Replica) read(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		return err
	}
	slices.Sort(files) // names are offsets of one width
	for _, file := range files {
		if err := r.readSegment(file); err != nil {
			return fmt.Errorf("broker %d: %s: %w", r.Broker, file, err)
		}
	}
	return nil
}

func (r *Replica) readSegment(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for at := 0; at < len(content); {
		b, size, err := record.View(content[at:])
		if err != nil {
			if len(bytes.Trim(content[at:], "\x00")) == 0 {
				return nil // room made in advance
			}
			return fmt.Errorf("byte %d: %w", at, err)
		}
		r.batches = append(r.batches, stored{int64(b.BaseOffset()), int64(b.NextOffset()), sha256.Sum256(b.Bytes())})
		at += size
	}
	return nil
}

// SameBytes compares the replicas of one partition, batch by batch, up to the
// committed end, which each must have reached.
func SameBytes(committed int64, replicas []*Replica) []string {
	var wrong []string
	first := replicas[0]
	for _, r := range replicas {
		if r.End() < committed {
			wrong = append(wrong, fmt.Sprintf("%s: broker %d ends at offset %d; up to %d is committed", r.Name, r.Broker, r.End(), committed))
		}
		for i := range min(len(r.batches), len(first.batches)) {
			a, b := first.batches[i], r.batches[i]
			if a != b && min(a.base, b.base) < committed {
				wrong = append(wrong, fmt.Sprintf("%s: the %d. batch is %d-%d (%s) on broker %d and %d-%d (%s) on broker %d", r.Name, i,
					a.base, a.next, hex.EncodeToString(a.sum[:4]), first.Broker, b.base, b.next, hex.EncodeToString(b.sum[:4]), r.Broker))
				break
			}
		}
	}
	return wrong
}

// IsReplicaOf reports whether a directory belongs to a partition.
func (p Place) IsReplicaOf(dir string) bool { return strings.HasPrefix(dir, p.String()+".") }

// Batches is how many it holds.
func (r *Replica) Batches() int { return len(r.batches) }
