package storetest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/lockstep-log/lockstep/coordinator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The in-memory store, on a clock that the stories move.
func TestMemStoreKeepsTheContract(t *testing.T) {
	Run(t, func(t *testing.T) Harness {
		var clock atomic.Int64
		s := coordinator.NewMemStore(func() time.Time { return time.Unix(0, clock.Load()) })
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return Harness{
			Store:  s,
			Prefix: "/p/",
			Lapse: func(ttl time.Duration) {
				clock.Add(int64(ttl))
				s.Expire()
			},
			Compact: func(_ *testing.T, rev int64) { s.Compact(rev) },
		}
	})
}

// One etcd in this process, called without a connection.
func TestEmbeddedEtcdKeepsTheContract(t *testing.T) {
	e, err := coordinator.StartEmbedded(context.Background(), coordinator.EmbeddedOptions{
		Dir:    filepath.Join(t.TempDir(), "etcd"),
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	runEtcd(t, e.Store())
}

// An etcd with a listener, reached by its address as an outside one is.
func TestDialedEtcdKeepsTheContract(t *testing.T) {
	cfg := embed.NewConfig()
	cfg.Dir = filepath.Join(t.TempDir(), "etcd")
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	any := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{any}, []url.URL{any}
	cfg.ListenPeerUrls = nil
	cfg.TickMs, cfg.ElectionMs = 20, 100
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	<-e.Server.ReadyNotify()

	s, err := coordinator.DialEtcd([]string{e.Clients[0].Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	runEtcd(t, s)
}

// runEtcd tells the stories each under its own prefix. The leases run on the
// real clock: a story that waits for an end waits by a watch.
func runEtcd(t *testing.T, s *coordinator.EtcdStore) {
	n := 0
	Run(t, func(*testing.T) Harness {
		n++
		return Harness{
			Store:  s,
			Prefix: fmt.Sprintf("/p%d/", n),
			Lapse: func(ttl time.Duration) {
				if ttl < shortest {
					time.Sleep(ttl) // so that keeping alive has something to do
				}
			},
			Compact: func(t *testing.T, rev int64) {
				if err := s.Compact(context.Background(), rev); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}
