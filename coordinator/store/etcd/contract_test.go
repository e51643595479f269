package etcd

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/lockstep-log/lockstep/coordinator/store/storetest"
)

// One etcd in this process, called without a connection.
func TestEmbeddedEtcdKeepsTheContract(t *testing.T) {
	e, err := StartEmbedded(context.Background(), EmbeddedOptions{
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

	s, err := Dial([]string{e.Clients[0].Addr().String()}, TLSFiles{})
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
func runEtcd(t *testing.T, s *Store) {
	n := 0
	storetest.Run(t, func(*testing.T) storetest.Harness {
		n++
		return storetest.Harness{
			Store:  s,
			Prefix: fmt.Sprintf("/p%d/", n),
			Lapse: func(ttl time.Duration) {
				if ttl < time.Second {
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
