package sqlview

import (
	"fmt"
	"log/slog"
	"os"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/client/sqlview"
	"github.com/lockstep-log/lockstep/test/inprocess"
)

const topic = "bank"

// start runs a broker until the test ends, makes the topic, and returns the
// broker's address.
func start(t *testing.T) string {
	t.Helper()
	addr := inprocess.Broker(t)
	createTopic(t, addr)
	return addr
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
