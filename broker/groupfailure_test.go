package broker

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/twmb/franz-go/pkg/kerr"
)

var errDisk = errors.New("the disk has failed")

// Goal: an offset that is not on disk is not acknowledged, nor shown. Method:
// the offsets topic's disk begins to fail at a sync; who commits is sent to
// look for another coordinator, and after a start on a sound disk the group is
// where its last acknowledged commit was.
func TestACommitThatDidNotReachTheDiskIsNeitherAcknowledgedNorShown(t *testing.T) {
	dir := t.TempDir()
	var failing atomic.Bool
	onDir := func(c *Config) { withoutDelay(c); c.DataDir, c.Groups.OffsetsPartitions = dir, 1 }
	t.Run("failing", func(t *testing.T) {
		s, _ := startServerOn(t, errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
			syncs := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
			if failing.Load() && syncs && strings.Contains(op.Path, offsetsTopic) {
				return errDisk
			}
			return nil
		})), onDir)
		w := dial(t, s.Addr(""))
		w.createTopic("v", 1)
		c := consumer{w: w, group: "g"}
		if code := c.commit(9, "v", 0, 5); code != 0 {
			t.Fatalf("commit: code %d", code)
		}
		failing.Store(true)
		if code := c.commit(9, "v", 0, 6); code != kerr.CoordinatorNotAvailable.Code {
			t.Errorf("a commit that failed got code %d", code)
		}
		for range 3 {
			if offset, code := c.committed("v", 0); offset != -1 || code != kerr.NotCoordinator.Code {
				t.Errorf("without a coordinator: offset %d, code %d", offset, code)
			}
		}
	})
	failing.Store(false)
	t.Run("sound", func(t *testing.T) {
		s, _ := startServer(t, onDir)
		c := consumer{w: dial(t, s.Addr("")), group: "g"}
		if offset, code := c.committed("v", 0); offset < 5 || code != 0 {
			t.Errorf("offset %d, code %d", offset, code)
		}
	})
}
