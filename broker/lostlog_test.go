package broker

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The only copy of a partition is gone: nobody serves an empty one in its place,
// however often the broker is started.
func TestALostLogIsNotReplacedByAnEmptyOne(t *testing.T) {
	ps := startPeers(t, 2)
	ps.create("alone", 1, 1)
	write(t, ps.client(), "alone", 0, 1000)
	dir := ps.all[1].hosted.Dir(ps.all[1].hosted.Topic("alone"), 0)
	for range 2 {
		ps.halt(1)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		ps.restart(1)
		ps.await("the loss to be noticed", func() bool {
			h := ps.all[2].health()
			return len(h.Offline) == 1 && strings.Contains(h.Offline[0].Reason, "broker 1 has lost its log")
		})
		if h := ps.all[1].health(); h.Healthy || len(h.Offline) != 1 {
			t.Fatalf("health %+v", h)
		}
		if !missing(dir) {
			t.Fatal("the log was made anew")
		}
	}
}

// missing reports whether there is no such directory.
func missing(dir string) bool {
	_, err := os.Stat(dir)
	return errors.Is(err, fs.ErrNotExist)
}

// Where others have the log, a lost one is copied again.
func TestALostLogIsCopiedFromTheOthers(t *testing.T) {
	ps := startPeers(t, 3)
	ps.create("copied", 1, 1, 2, 3)
	cl := ps.client()
	write(t, cl, "copied", 0, 1000, 2000)
	dir := ps.all[1].hosted.Dir(ps.all[1].hosted.Topic("copied"), 0)
	ps.halt(1)
	write(t, cl, "copied", 0, 3000)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	ps.restart(1)
	ps.awaitInSync("copied", 0, 1)
	ps.awaitEqual("copied", 0, 2, 1, 3)
}

// A topic is known before its first log is made. A broker that dies in between
// has lost nothing.
func TestALogThatWasNeverMadeIsNotLost(t *testing.T) {
	ps := startPeers(t, 2)
	ps.create("young", 1, 1)
	dir := ps.all[1].hosted.Dir(ps.all[1].hosted.Topic("young"), 0)
	ps.halt(1)
	for _, gone := range []string{dir, filepath.Join(ps.all[1].cfg.DataDir, "logs.list")} {
		if err := os.RemoveAll(gone); err != nil {
			t.Fatal(err)
		}
	}
	ps.restart(1)
	write(t, ps.client(), "young", 0, 1000)
}
