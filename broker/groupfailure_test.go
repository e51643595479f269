package broker

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
			if failing.Load() && syncs(op) && strings.Contains(op.Path, offsetsTopic) {
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

// Goal: a write that takes for ever holds up nobody for ever, and what comes of
// it is shown when it is known. Method: the offsets topic's disk stands still
// during a commit.
func TestACommitThatTakesTooLongIsToBeAskedForAgain(t *testing.T) {
	var standing atomic.Bool
	goOn := make(chan struct{})
	s, _ := startServerOn(t, errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if syncs(op) && standing.Load() && strings.Contains(op.Path, offsetsTopic) {
			<-goOn
		}
		return nil
	})), withoutDelay, func(c *Config) { c.Groups.OffsetsPartitions, c.Groups.CommitTimeout = 1, 50*time.Millisecond })
	w := dial(t, s.Addr(""))
	w.createTopic("v", 1)
	c := consumer{w: w, group: "g"}
	c.committed("v", 0)
	standing.Store(true)
	if code := c.commit(9, "v", 0, 5); code != kerr.CoordinatorNotAvailable.Code {
		t.Errorf("a commit that stands still got code %d", code)
	}
	if offset, code := c.committed("v", 0); offset != -1 || code != kerr.CoordinatorNotAvailable.Code {
		t.Errorf("meanwhile: offset %d, code %d", offset, code)
	}
	standing.Store(false)
	close(goOn)
	for {
		offset, code := c.committed("v", 0)
		if code == 0 {
			if offset != 5 {
				t.Errorf("offset %d", offset)
			}
			return
		}
	}
}

func syncs(op errorfs.Op) bool {
	return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
}
