package sqlview

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/lockstep-log/lockstep/broker"
	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/client/sqlview"
)

const topic = "bank"

// start runs a broker in this process until the test ends, makes the topic, and
// returns the broker's address.
func start(t *testing.T) string {
	t.Helper()
	s, err := broker.New(broker.Config{
		DataDir:   t.TempDir(),
		Listeners: []broker.Listener{{Name: "PLAINTEXT", Addr: "127.0.0.1:0"}},
		Logger:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	select {
	case <-s.Ready():
	case err := <-ran:
		ran <- nil
		t.Fatalf("Run ended before it was ready: %v", err)
	}
	createTopic(t, s.Addr(""))
	return s.Addr("")
}

func createTopic(t *testing.T, addr string) {
	t.Helper()
	if _, err := kadm.NewClient(dial(t, addr)).CreateTopic(t.Context(), 1, -1, nil, topic); err != nil {
		t.Fatal(err)
	}
}

func dial(t *testing.T, addr string) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// open returns an extended producer that is closed with the test.
func open(t *testing.T, addr string) *client.Client {
	t.Helper()
	c, err := client.New(dial(t, addr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// put appends values one after the other, without locks.
func put(t *testing.T, c *client.Client, values ...string) (last int64) {
	t.Helper()
	for _, v := range values {
		r, err := c.Append(t.Context(), topic, 0, client.Cond{}, &kgo.Record{Value: []byte(v)})
		if err != nil {
			t.Fatal(err)
		}
		last = r.Offset
	}
	return last
}

// options are quiet ones.
func (d database) options() sqlview.Options {
	return sqlview.Options{Dialect: d.dialect(), Logger: slog.New(slog.DiscardHandler)}
}

func TestMain(m *testing.M) {
	if isTeller() {
		tell()
	}
	ignore := goleak.IgnoreCurrent()
	code := m.Run()
	stopCluster()
	if err := goleak.Find(ignore); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
