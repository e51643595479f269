package etcd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/coordinator/store/storetest"
)

func TestMain(m *testing.M) { storetest.RunAndVerifyNoLeaks(m) }

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

var (
	background = storetest.Background
	noError    = storetest.NoError
	wantError  = storetest.WantError
)

func startEmbedded(t *testing.T, o EmbeddedOptions) *Embedded {
	t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "etcd")
	}
	if o.Logger == nil {
		o.Logger = quiet
	}
	e, err := StartEmbedded(background(t), o)
	noError(t, err)
	return e
}

func TestAMemberAloneOpensNoPortAndSaysNothing(t *testing.T) {
	var said bytes.Buffer
	dir := filepath.Join(t.TempDir(), "etcd")
	for range 2 { // a first start and a restart
		e := startEmbedded(t, EmbeddedOptions{Dir: dir, Logger: slog.New(slog.NewTextHandler(&said, nil))})
		if n := len(e.etcd.Clients) + len(e.etcd.Peers); n != 0 || e.hasPort() {
			t.Fatalf("%d listeners", n)
		}
		if e.etcd.Config().UnsafeNoFsync {
			t.Fatal("it does not sync")
		}
		lease, err := e.Store().GrantLease(background(t), time.Minute)
		noError(t, err)
		_, _, err = e.Store().Txn(background(t), nil, []store.Op{store.PutLeased("k", nil, lease), store.Put("l", nil)})
		noError(t, err)
		noError(t, e.Store().RevokeLease(background(t), lease))
		noError(t, e.Close())
	}
	if said.Len() > 0 {
		t.Fatalf("it said:\n%s", said.String())
	}
}

// Three brokers that each were alone would each be a cluster of their own.
func TestAMemberThatWasAloneIsRefusedAsOneOfSeveral(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etcd")
	noError(t, startEmbedded(t, EmbeddedOptions{Dir: dir}).Close())
	_, err := StartEmbedded(background(t), EmbeddedOptions{Dir: dir, Name: "1", Peers: storetest.FreePeers(t, 3), Logger: quiet})
	wantError(t, err, ErrOtherMembers)
	noError(t, startEmbedded(t, EmbeddedOptions{Dir: dir}).Close())
}

func TestADirectoryIsHeldByOneProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etcd")
	e, err := StartEmbedded(background(t), EmbeddedOptions{Dir: dir, Logger: quiet})
	noError(t, err)
	_, err = StartEmbedded(background(t), EmbeddedOptions{Dir: dir, Logger: quiet})
	wantError(t, err, ErrDirLocked)
	noError(t, e.Close())
	e, err = StartEmbedded(background(t), EmbeddedOptions{Dir: dir, Logger: quiet})
	noError(t, err)
	noError(t, e.Close())
}

// What etcd itself warns of is told.
func TestWarningsOfEtcdAreLogged(t *testing.T) {
	var said bytes.Buffer
	l := newEtcdLog(slog.New(slog.NewTextHandler(&said, nil)))
	z := l.zap().With(zap.String("member", "1"))
	z.Info("not this")
	z.Warn("slow fdatasync", zap.String("took", "2s"))
	if got := said.String(); !strings.Contains(got, `level=WARN msg="etcd: slow fdatasync"`) || !strings.Contains(got, "member=1") || !strings.Contains(got, "took=2s") || strings.Contains(got, "not this") {
		t.Fatalf("said %s", got)
	}
	said.Reset()
	l.closing.Store(true)
	z.Error("listener closed")
	if said.Len() > 0 {
		t.Fatalf("said %s", said.String())
	}
}

// A failover is not drowned in what etcd says of it.
func TestEtcdSaysEachThingOnceAMinute(t *testing.T) {
	var said bytes.Buffer
	now := time.Unix(0, 0)
	l := newEtcdLog(slog.New(slog.NewTextHandler(&said, nil)))
	l.now = func() time.Time { return now }
	z := l.zap()
	wants := func(want string, lines int) {
		t.Helper()
		if got := said.String(); strings.Count(got, "\n") != lines || !strings.Contains(got, want) {
			t.Errorf("said %q, want %d lines with %q", got, lines, want)
		}
		said.Reset()
	}
	for range 5 {
		z.Warn("failed to apply request", zap.Error(errors.New("lease not found")))
	}
	wants(`level=INFO msg="etcd: failed to apply request"`, 1)
	z.Warn("failed to apply request", zap.Error(errors.New("database space exceeded")))
	wants("level=WARN", 1)
	for range 3 {
		z.Error("slow fdatasync", zap.String("took", "2s"))
		z.Warn("lost TCP streaming connection with remote peer", zap.String("stream-reader-type", "stream Message"))
	}
	wants("level=ERROR", 2)
	now = now.Add(etcdSaysEvery)
	z.Error("slow fdatasync", zap.String("took", "3s"))
	wants("took=3s left_out=2", 1)
	for i := range 2 * etcdKindsMax {
		z.Warn(fmt.Sprint("kind ", i))
	}
	wants("kind 300", 2*etcdKindsMax)
	if n := len(l.mu.said); n > etcdKindsMax {
		t.Errorf("%d kinds are remembered", n)
	}
}

func TestAMemberWithoutAQuorumDoesNotStart(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	peers := storetest.FreePeers(t, 2)
	_, err := StartEmbedded(ctx, EmbeddedOptions{Dir: filepath.Join(t.TempDir(), "etcd"), Name: "1", Peers: peers, Logger: quiet})
	wantError(t, err, context.DeadlineExceeded)
	for _, bad := range []EmbeddedOptions{
		{Name: "3", Peers: peers},
		{Name: "1", Peers: map[string]string{"1": "localhost:1"}},
		{Name: "1", Peers: map[string]string{"1": "http://localhost"}},
	} {
		bad.Dir = t.TempDir()
		if _, err := StartEmbedded(ctx, bad); err == nil {
			t.Errorf("%+v started", bad)
		}
	}
}
