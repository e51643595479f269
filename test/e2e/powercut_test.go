package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/test/chaos/rig"
)

// TestPowerCutsLoseNothingThatWasAcknowledged: the data directory lies on a
// file system of its own, whose power is cut while producers write. What the
// kernel had not been told to sync is gone; what was acknowledged is not.
func TestPowerCutsLoseNothingThatWasAcknowledged(t *testing.T) {
	rounds, _ := strconv.Atoi(env("LOCKSTEP_POWER_CUTS", ""))
	if rounds == 0 {
		t.Skip("set LOCKSTEP_POWER_CUTS=n to cut the power n times; it needs root and a loop device")
	}
	disk, err := rig.NewDisk(t.TempDir(), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = disk.Unmount() })
	b := StartAt(t, filepath.Join(disk.Mount, "data"))
	const topic = "survivors"
	createTopic(t, b, topic, map[string]*string{"segment.bytes": ptr("4194304")})
	told := &acked{at: map[int64]string{}}
	for round := range rounds {
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() { untilTheLightsGoOut(t, ctx, b, topic, fmt.Sprintf("%d.%d", round, w), told) })
		}
		time.Sleep(time.Duration(100+rand.IntN(400)) * time.Millisecond)
		cut := disk.CutPower()
		cancel()
		wg.Wait()
		b.Kill()
		if err := errors.Join(cut, disk.PowerOn()); err != nil {
			t.Fatal(err)
		}
		b.Restart()
	}
	log := readAll(t, b, topic)
	at := map[int64]string{}
	for _, r := range log {
		at[r.Offset] = string(r.Value)
	}
	for offset, value := range told.at {
		if at[offset] != value {
			t.Errorf("%s was acknowledged at offset %d; there is %q", value, offset, at[offset])
		}
	}
	t.Logf("%d power cuts, %d records acknowledged, %d in the log", rounds, len(told.at), len(log))
	if out, stderr, code := b.CLI("", "audit", topic); code != 0 {
		t.Errorf("audit: exit %d\n%s%s", code, out, stderr)
	}
	b.Stop()
	if out, stderr, code := b.CLI("", "dump", "--replay", b.Dir); code != 0 {
		t.Errorf("dump --replay: exit %d\n%s%s", code, out, stderr)
	}
}

// untilTheLightsGoOut writes locked records, several in flight, and notes what
// is acknowledged before ctx ends.
func untilTheLightsGoOut(t *testing.T, ctx context.Context, b *Broker, topic, who string, told *acked) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
	if err != nil {
		t.Error(err)
		return
	}
	defer cl.Close()
	for n := 0; ctx.Err() == nil; n++ {
		value := fmt.Sprintf("%s/%d", who, n)
		cl.Produce(ctx, record(topic, value, "lock-append", "w"+who), func(r *kgo.Record, err error) {
			if err != nil {
				return // unknown, or after the cut
			}
			told.Lock()
			defer told.Unlock()
			told.at[r.Offset] = value
		})
		if n%8 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}
