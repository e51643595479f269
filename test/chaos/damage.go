package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/test/chaos/check"
	"github.com/lockstep-log/lockstep/test/chaos/work"
)

// flipsAtOnce is how many bits are flipped in a round.
const flipsAtOnce = 20

const readFromWithin = 10 * time.Second

// bitFlip is a disk that has gone bad on one broker: bits of its logs flip while
// it is down. It starts and lives with them for a while, under load. Then comes
// the operator, who removes what is damaged and leaves the rest to replication.
func bitFlip(ctx context.Context, c *chaos, f *fault) error {
	n := c.victim(f)
	n.Kill()
	damaged, err := flipBits(n.Data, f.seed)
	if err != nil {
		return err
	}
	c.say("flipped %d bits in %v", flipsAtOnce, damaged)
	if err := errors.Join(n.Start(), c.hold(ctx, f.hold), c.readFrom(ctx, n.ID)); err != nil {
		return err
	}
	n.Kill()
	for _, dir := range damaged {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return errors.Join(n.Start())
}

// flipBits flips bits anywhere in the files of partitions' logs, and names the
// directories it did that in.
func flipBits(data string, seed uint64) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(data, "logs", "*", "*.*"))
	if err != nil || len(files) == 0 {
		return nil, errors.Join(err, fmt.Errorf("no logs in %s", data))
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	var damaged []string
	for range flipsAtOnce {
		file := files[rng.IntN(len(files))]
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if len(content) == 0 {
			continue
		}
		content[rng.IntN(len(content))] ^= 1 << rng.IntN(8)
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return nil, err
		}
		if dir := filepath.Dir(file); !slices.Contains(damaged, dir) {
			damaged = append(damaged, dir)
		}
	}
	return damaged, nil
}

// readFrom reads everything that earlier rounds have judged, from the replicas on
// one broker where it may. What it is given must be right; it may be given less,
// for damage that is found is not served.
func (c *chaos) readFrom(ctx context.Context, broker int) error {
	from := map[string]map[int32]kgo.Offset{}
	left := map[check.Place]int{}
	for at, log := range c.ledger.logs {
		if len(log.Records) == 0 {
			continue
		}
		if from[at.Topic] == nil {
			from[at.Topic] = map[int32]kgo.Offset{}
		}
		from[at.Topic][at.Partition], left[at] = kgo.NewOffset().AtStart(), len(log.Records)
	}
	cl, err := kgo.NewClient(append(work.Settings(c.rig.Kafka()), kgo.ConsumePartitions(from), kgo.Rack(fmt.Sprintf("rack-%d", broker)))...)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, readFromWithin)
	defer cancel()
	var wrong []string
	for len(left) > 0 && ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			at := check.Place{Topic: r.Topic, Partition: r.Partition}
			if known, ok := c.ledger.logs[at].Find(r.Offset); ok && known.Value != string(r.Value) {
				wrong = append(wrong, fmt.Sprintf("%v: broker %d, or another, served %q at offset %d where %q is", at, broker, r.Value, r.Offset, known.Value))
			}
			if left[at]--; left[at] <= 0 {
				delete(left, at)
			}
		})
	}
	c.say("read from broker %d; not to their ends: %v", broker, slices.Collect(maps.Keys(left)))
	return violations(wrong)
}

// emptyDisk is a broker that comes back without any of its logs, though with its
// metadata: it must not count as in sync, nor lead, before it has them again.
func emptyDisk(ctx context.Context, c *chaos, f *fault) error {
	n := c.victim(f)
	n.Kill()
	err := os.RemoveAll(filepath.Join(n.Data, "logs"))
	return errors.Join(err, c.hold(ctx, f.hold), n.Start())
}
