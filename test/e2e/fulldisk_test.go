package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/test/chaos/rig"
)

// TestAFullDiskCostsWritesAlone: on a file system of its own that others fill to
// the last byte, a broker goes on to serve reads, starts again after a kill, and
// takes writes as soon as there is room, without another start.
func TestAFullDiskCostsWritesAlone(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("a disk of its own takes root and a loop device")
	}
	disk, err := rig.NewDisk(t.TempDir(), 256<<20)
	if err != nil {
		t.Skipf("a disk of its own takes root and a loop device: %v", err)
	}
	t.Cleanup(func() { _ = disk.Unmount() })
	b := StartAt(t, filepath.Join(disk.Mount, "data"))
	t.Cleanup(b.Kill) // before the disk goes
	const topic = "t"
	createTopic(t, b, topic, nil)
	write := func(patience time.Duration) error {
		cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr), kgo.DefaultProduceTopic(topic), kgo.RecordDeliveryTimeout(patience))
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		return cl.ProduceSync(context.Background(), kgo.StringRecord("v")).FirstErr()
	}
	if err := write(startTimeout); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // some room is reserved meanwhile
	if err := disk.Fill(); err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"while it runs", "after a kill", "after another"} {
		// A write that is on its way before the broker has looked may still find room.
		out, _, code := b.CLI("", "cluster", "health")
		for end := time.Now().Add(startTimeout); code != 1 && time.Now().Before(end); out, _, code = b.CLI("", "cluster", "health") {
			time.Sleep(50 * time.Millisecond)
		}
		if code != 1 || !strings.Contains(out, "the disk has") {
			t.Errorf("%s: cluster health: exit %d\n%s", when, code, out)
		}
		if write(2*time.Second) == nil {
			t.Errorf("%s: a full disk takes writes", when)
		}
		if n := len(readAll(t, b, topic)); n != 1 {
			t.Errorf("%s: %d records are read, want 1", when, n)
		}
		if when != "after another" {
			b.Kill()
			b.Restart()
		}
	}
	if err := disk.Empty(); err != nil {
		t.Fatal(err)
	}
	if err := write(startTimeout); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if out, _, code := b.CLI("", "cluster", "health"); code != 0 {
		t.Errorf("with room again: cluster health: exit %d\n%s", code, out)
	}
}
