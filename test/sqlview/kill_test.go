package sqlview

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/client/sqlview"
	"github.com/lockstep-log/lockstep/test/e2e"
)

// order is what a teller, a process of its own, is told to do.
type order struct {
	Addr     string
	Database database
	Name     string // begins the ids of its appends, and has never been used
	Suicidal bool   // it kills itself in Apply, now and then
}

const orderVariable = "LOCKSTEP_TEST_TELLER"

func isTeller() bool { return os.Getenv(orderVariable) != "" }

// tell is the teller's main: it transfers until it is killed or its standard
// input ends, and prints the number of each transfer that it was told is in.
func tell() {
	var o order
	if err := json.Unmarshal([]byte(os.Getenv(orderVariable)), &o); err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := o.carryOut(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func (o order) carryOut(ctx context.Context) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(o.Addr))
	if err != nil {
		return err
	}
	c, err := client.New(cl)
	if err != nil {
		return err
	}
	db, err := o.Database.open()
	if err != nil {
		return err
	}
	v, err := sqlview.New(ctx, c, db, topic, 0, o.apply, sqlview.Options{Dialect: o.Database.dialect(), Logger: slog.New(slog.DiscardHandler), BatchRecords: 3})
	if err != nil {
		return err
	}
	for n := 0; ; {
		from := rand.IntN(accounts)
		t := transfer{From: from, To: (from + 1 + rand.IntN(accounts-1)) % accounts, Amount: 1 + rand.IntN(funds)}
		_, err := v.Update(ctx, move(t, fmt.Sprintf("%s.%d", o.Name, n)))
		switch {
		case errors.Is(err, errNotCovered):
			continue
		case err != nil:
			return err
		}
		fmt.Println(n)
		n++
	}
}

func (o order) apply(ctx context.Context, tx *sql.Tx, r *kgo.Record) error {
	err := bank{o.Database.dialect()}.apply(ctx, tx, r)
	if o.Suicidal && rand.IntN(20) == 0 {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	return err
}

// teller is a process under an order, as the test sees it.
type teller struct {
	cmd   *exec.Cmd
	stdin io.Closer
	acked int // transfers that it was told are in
	done  chan struct{}
}

func hire(t *testing.T, o order) *teller {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	w := &teller{cmd: exec.Command(os.Args[0]), done: make(chan struct{})}
	w.cmd.Env = append(os.Environ(), orderVariable+"="+string(text))
	w.cmd.Stderr = os.Stderr
	stdout, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if w.stdin, err = w.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(w.done)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if n, err := strconv.Atoi(lines.Text()); err == nil {
				w.acked = n + 1
			}
		}
		w.cmd.Wait()
	}()
	return w
}

// TestEachRecordIsAppliedOnceThoughProcessesAreKilled has tellers on one
// database, killed by the test at any moment and by themselves in the midst of
// a transaction, and others in their place; the broker is killed as well. In the
// end the database is what a replay of the log makes of it, and what was
// acknowledged is there.
func TestEachRecordIsAppliedOnceThoughProcessesAreKilled(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		const posts, lives = 3, 6
		b := e2e.Start(t)
		addr := b.Addr
		createTopic(t, addr)
		db := d.filled(t)
		acked := map[string]int{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for post := range posts {
			all.Go(func() {
				for life := range lives {
					o := order{Addr: addr, Database: d, Name: fmt.Sprintf("%d.%d", post, life), Suicidal: life%2 == 1}
					w := hire(t, o)
					select {
					case <-w.done:
					case <-time.After(time.Duration(100+rand.IntN(400)) * time.Millisecond):
					}
					if life == lives-1 {
						w.stdin.Close()
					} else {
						w.cmd.Process.Kill()
					}
					<-w.done
					mu.Lock()
					acked[o.Name] = w.acked
					mu.Unlock()
				}
			})
		}
		time.Sleep(time.Second)
		b.Kill()
		b.Restart()
		all.Wait()

		c := open(t, addr)
		v, err := sqlview.New(t.Context(), c, db, topic, 0, bank{d.dialect()}.apply, d.options())
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		var applied ledger
		var basis int64
		if err := v.Read(t.Context(), func(ctx context.Context, tx *sql.Tx, at int64) (err error) {
			basis = at
			applied, err = readLedger(ctx, tx)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		log := replay(t, c, basis)
		log.compare(t, applied)
		for name, n := range acked {
			for i := range n {
				if !log.ids[fmt.Sprintf("%s.%d", name, i)] {
					t.Errorf("%s was told that its transfer %d is in", name, i)
				}
			}
		}
		t.Logf("%d transfers by %d processes that ended %d times", len(log.offsets), posts, posts*lives)
	})
}

// history is a log replayed in memory.
type history struct {
	balances [accounts]int
	offsets  []int64
	ids      map[string]bool
	twice    []string
}

// replay folds the log from its start up to an offset.
func replay(t *testing.T, c *client.Client, basis int64) *history {
	t.Helper()
	h := &history{ids: map[string]bool{}}
	for i := range h.balances {
		h.balances[i] = funds
	}
	v, err := client.NewView(c, topic, 0, h, func(h **history, r *kgo.Record) {
		if r.Offset <= basis {
			(*h).apply(r)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if err := v.Read(t.Context(), func(_ *history, at int64) error {
		if at != basis {
			t.Errorf("the log ends at %d, the database is at %d", at, basis)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *history) apply(r *kgo.Record) {
	var t transfer
	if json.Unmarshal(r.Value, &t) != nil {
		return // poison
	}
	h.balances[t.From] -= t.Amount
	h.balances[t.To] += t.Amount
	h.offsets = append(h.offsets, r.Offset)
	for _, header := range r.Headers {
		if header.Key != "lock-id" {
			continue
		}
		if h.ids[string(header.Value)] {
			h.twice = append(h.twice, string(header.Value))
		}
		h.ids[string(header.Value)] = true
	}
}

func (h *history) compare(t *testing.T, l ledger) {
	t.Helper()
	if l.total() != accounts*funds {
		t.Errorf("the total is %d, want %d", l.total(), accounts*funds)
	}
	if l.balances != h.balances {
		t.Errorf("the balances are %v, a replay makes them %v", l.balances, h.balances)
	}
	if fmt.Sprint(l.journal) != fmt.Sprint(h.offsets) {
		t.Errorf("applied were\n%v\nthe log holds\n%v", l.journal, h.offsets)
	}
	if len(h.twice) > 0 {
		t.Errorf("twice in the log: %v", h.twice)
	}
}
