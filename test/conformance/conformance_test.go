package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/test/e2e"
)

const topic = "conformance"

// bank is the state of a view: balances by account, which begin with 100.
type bank map[string]int

func (b bank) of(account string) int {
	if balance, ok := b[account]; ok {
		return balance
	}
	return 100
}

func (b *bank) apply(r *kgo.Record) {
	balance, err := strconv.Atoi(string(r.Value))
	if err != nil {
		panic(err)
	}
	(*b)[string(r.Key)] = balance
}

func move(tx *client.Tx, b bank, from, to string, amount int) {
	if b.of(from) < amount {
		return
	}
	tx.Lock(client.Write(from), client.Write(to))
	set := func(account string, balance int) *kgo.Record {
		return &kgo.Record{Key: []byte(account), Value: []byte(strconv.Itoa(balance))}
	}
	tx.Append(set(from, b.of(from)-amount), set(to, b.of(to)+amount))
}

// TestMain is also the process that moves money until it is killed.
func TestMain(m *testing.M) {
	if addr := os.Getenv("CONFORMANCE_CLIENT"); addr != "" {
		moveForEver(addr)
	}
	os.Exit(m.Run())
}

func moveForEver(addr string) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		panic(err)
	}
	c, err := client.New(cl)
	if err != nil {
		panic(err)
	}
	v, err := client.NewView(c, topic, 0, bank{}, (*bank).apply)
	if err != nil {
		panic(err)
	}
	fmt.Println("ready")
	for range 1_000_000 { // it is killed long before
		transfer(v)
	}
}

func transfer(v *client.View[bank]) error {
	from := rand.IntN(3)
	_, err := v.Update(context.Background(), func(tx *client.Tx, b bank) error {
		move(tx, b, fmt.Sprint("a", from), fmt.Sprint("a", (from+1)%3), 1)
		return nil
	})
	return err
}

// TestScenarios runs each on a broker of its own.
func TestScenarios(t *testing.T) {
	all, err := readScenarios()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		t.Run(s.Name, func(t *testing.T) { newRun(t, s).steps(s.Steps) })
	}
}

// run is one scenario under way.
type run struct {
	t      *testing.T
	broker *e2e.Broker
	cl     *kgo.Client
	c      *client.Client
	v      *client.View[bank] // begun when it is wanted
	begin  viewStep
}

func newRun(t *testing.T, s scenario) *run {
	r := &run{t: t, broker: e2e.Start(t)}
	settings := s.Settings
	if settings == nil {
		settings = map[string]string{"conflict.policy": "required"}
	}
	args := []string{"topic", "create", topic}
	for name, value := range settings {
		args = append(args, "--config", name+"="+value)
	}
	if _, text, code := r.broker.CLI("", args...); code != 0 {
		t.Fatal(text)
	}
	var err error
	if r.cl, err = kgo.NewClient(kgo.SeedBrokers(r.broker.Addr)); err == nil {
		r.c, err = client.New(r.cl)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.closeView(); r.c.Close(); r.cl.Close() })
	return r
}

func (r *run) closeView() {
	if r.v != nil {
		r.v.Close()
		r.v = nil
	}
}

func (r *run) view() *client.View[bank] {
	if r.v == nil {
		var opts []client.ViewOption
		if r.begin.Basis != nil {
			opts = append(opts, client.From(*r.begin.Basis))
		}
		if r.begin.AllowCut {
			opts = append(opts, client.AllowCut())
		}
		var err error
		if r.v, err = client.NewView(r.c, topic, 0, bank{}, (*bank).apply, opts...); err != nil {
			r.t.Fatal(err)
		}
	}
	return r.v
}

func (r *run) steps(steps []step) {
	for i, s := range steps {
		if err := r.step(s); err != nil {
			r.t.Fatalf("step %d: %v", i, err)
		}
	}
}

func (r *run) step(s step) error {
	switch {
	case s.Headers != nil:
		return r.headers(s)
	case s.Parse != nil:
		return r.parse(s)
	case s.Append != nil:
		return wanted(s.Want, r.append(s.Append))
	case s.Together != nil:
		return r.together(s.Together)
	case s.Move != nil:
		return r.move(s)
	case s.View != nil:
		r.closeView()
		r.begin = *s.View
		return nil
	case s.State != nil:
		return r.state(s)
	case s.Kill != "":
		r.broker.Kill()
		return nil
	case s.Start != "":
		r.broker.Restart()
		return nil
	default:
		return r.longStep(s)
	}
}

func (r *run) longStep(s step) error {
	switch {
	case s.Delete != nil:
		at := kadm.Offsets{}
		at.AddOffset(topic, 0, *s.Delete, -1)
		_, err := kadm.NewClient(r.cl).DeleteRecords(context.Background(), at)
		return err
	case s.Log != nil:
		return same(r.log(), *s.Log)
	case s.SideBySide != nil:
		return r.sideBySide(s)
	case s.Transfers != nil:
		return r.transfers(*s.Transfers)
	case s.Client != nil:
		return r.killClient(time.Duration(s.Client.KillAfterMs) * time.Millisecond)
	case s.Total != nil:
		return r.total(*s.Total)
	case s.Audit:
		if out, text, code := r.broker.CLI("", "audit", topic); code != 0 {
			return fmt.Errorf("audit: %s%s", out, text)
		}
		return nil
	}
	return errors.New("the step is of no kind that is known")
}

// outcome is what an append or update came to, in the words of the scenarios.
type outcome map[string]any

func outcomeOf(result client.Result, err error) outcome {
	var e *client.Error
	switch {
	case err == nil && result.Offset == client.None:
		return nil
	case err == nil:
		return outcome{"offset": float64(result.Offset), "records": float64(result.Records)}
	case errors.As(err, &e):
		return refusal(e)
	case errors.Is(err, client.ErrLogCut):
		return outcome{"error": "cut"}
	case errors.As(err, new(*client.Interruption)):
		return outcome{"error": "unknown or unsent"}
	}
	return outcome{"error": err.Error()}
}

func refusal(e *client.Error) outcome {
	class := "malformed"
	switch {
	case errors.Is(e, client.ErrConflict):
		class = "conflict"
	case errors.Is(e, client.ErrDuplicate):
		class = "duplicate"
	}
	return outcome{"error": class, "lock": e.Lock, "last": float64(e.Last), "basis": float64(e.Basis), "by": e.By,
		"record": float64(e.Record)}
}

// wanted compares what is wanted, and nothing else. Nothing is wanted of what is left out.
func wanted(want json.RawMessage, got outcome) error {
	if want == nil {
		return nil
	}
	var fields outcome
	if err := json.Unmarshal(want, &fields); err != nil {
		return err
	}
	if (fields == nil) != (got == nil) {
		return fmt.Errorf("got %v, want %v", got, fields)
	}
	for name, value := range fields {
		if got[name] != value {
			return fmt.Errorf("%s: got %v, want %v", name, got, fields)
		}
	}
	return nil
}

func same(got, want any) error {
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	return nil
}

func (r *run) headers(s step) error {
	c := s.Headers.cond()
	got := []string{}
	for _, h := range client.Attach(&kgo.Record{}, c.Basis, c.Locks...).Headers {
		got = append(got, h.Key+": "+string(h.Value))
	}
	var want []string
	if err := json.Unmarshal(s.Want, &want); err != nil {
		return err
	}
	return same(got, want)
}

func (r *run) parse(s step) error {
	e, ok := client.Parse(*s.Parse)
	if !ok {
		return wanted(s.Want, nil)
	}
	return wanted(s.Want, refusal(e))
}

func (r *run) append(q *request) outcome {
	ctx, timeout := context.Background(), time.Minute
	if q.TimeoutMs > 0 {
		timeout = time.Duration(q.TimeoutMs) * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return outcomeOf(r.c.Append(ctx, topic, 0, q.cond(), q.records()...))
}

func (r *run) together(steps []step) error {
	outcomes := make([]outcome, len(steps))
	var all sync.WaitGroup
	for i, s := range steps {
		all.Add(1)
		r.c.AppendAsync(context.Background(), topic, 0, s.Append.cond(), func(result client.Result, err error) {
			outcomes[i] = outcomeOf(result, err)
			all.Done()
		}, s.Append.records()...)
	}
	all.Wait()
	for i, s := range steps {
		if err := wanted(s.Want, outcomes[i]); err != nil {
			return fmt.Errorf("append %d: %w", i, err)
		}
	}
	return nil
}

func (r *run) move(s step) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tries := 0
	result, err := r.view().Update(ctx, func(tx *client.Tx, b bank) error {
		if tries++; tries == 1 && s.Meanwhile != nil {
			if got := r.append(s.Meanwhile); got["error"] != nil {
				return fmt.Errorf("meanwhile: %v", got)
			}
		}
		move(tx, b, s.Move[0].(string), s.Move[1].(string), int(s.Move[2].(float64)))
		return nil
	})
	return wanted(s.Want, outcomeOf(result, err))
}

func (r *run) state(s step) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var want bank
	if err := json.Unmarshal(s.State, &want); err != nil {
		return err
	}
	err := r.view().Read(ctx, func(b bank, basis int64) error {
		if want == nil {
			return errors.New("there is a state")
		}
		if s.Basis != nil {
			return errors.Join(same(b, want), same(basis, *s.Basis))
		}
		return same(b, want)
	})
	if want == nil {
		return wanted(s.Want, outcomeOf(client.Result{}, err))
	}
	return err
}

func (r *run) log() []string {
	ends, err := kadm.NewClient(r.cl).ListEndOffsets(context.Background(), topic)
	if err != nil {
		r.t.Fatal(err)
	}
	end, _ := ends.Lookup(topic, 0)
	values := []string{}
	err = client.Batches{Client: r.cl, Topic: topic, End: end.Offset}.Each(context.Background(), func(b record.Batch) error {
		recs, err := b.Open(record.Limits{})
		if err != nil {
			return err
		}
		defer recs.Release()
		for w := recs.Walk(); w.Next(); {
			values = append(values, string(w.Value))
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return values
}

// sideBySide wants each group in the log once, side by side.
func (r *run) sideBySide(s step) error {
	log := r.log()
	text := "|" + strings.Join(log, "|") + "|"
	for _, group := range s.SideBySide {
		if strings.Count(text, "|"+strings.Join(group, "|")+"|") != 1 {
			return fmt.Errorf("%v is not once in %v", group, log)
		}
	}
	return same(len(log), s.Count)
}

func (r *run) transfers(x transfers) error {
	errs := make(chan error, x.Threads)
	for range x.Threads {
		go func() {
			var err error
			for i := 0; i < x.Each && err == nil; i++ {
				err = transfer(r.view0())
			}
			errs <- err
		}()
	}
	for range x.Kills {
		time.Sleep(time.Duration(x.KillEveryMs) * time.Millisecond)
		r.broker.Kill()
		r.broker.Restart()
	}
	var all error
	for range x.Threads {
		all = errors.Join(all, <-errs)
	}
	return all
}

// view0 is the view, for several goroutines.
func (r *run) view0() *client.View[bank] {
	viewMu.Lock()
	defer viewMu.Unlock()
	return r.view()
}

var viewMu sync.Mutex

func (r *run) killClient(after time.Duration) error {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CONFORMANCE_CLIENT="+r.broker.Addr)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if _, err := out.Read(make([]byte, 8)); err != nil {
		return fmt.Errorf("the client did not begin: %w", err)
	}
	time.Sleep(after)
	return nil
}

func (r *run) total(want int) error {
	r.closeView() // a new one reads all that there is
	return r.view().Read(context.Background(), func(b bank, _ int64) error {
		return same(b.of("a0")+b.of("a1")+b.of("a2"), want)
	})
}
