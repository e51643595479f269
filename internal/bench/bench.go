package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/spf13/cobra"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// New is the command bench.
func New(s *command.Streams) *cobra.Command {
	return command.Group("bench", "Measure throughput and latency", newBenchProduce(s), newBenchConsume(s),
		newBenchAppend(s))
}

// benchCommand is what the measurements share.
type benchCommand struct {
	s        *command.Streams
	cluster  command.Cluster
	format   command.Format
	records  int64
	duration time.Duration
	size     int
}

func (b *benchCommand) flags(cmd *cobra.Command) *cobra.Command {
	command.Annotate(cmd, command.OpenEnded)
	f := cmd.Flags()
	f.SortFlags = false
	f.Int64VarP(&b.records, "num", "n", 0, "`COUNT` of records after which to end; 0: no limit")
	f.DurationVar(&b.duration, "duration", 10*time.Second, "how long to measure at most; 0: no limit")
	b.cluster.Flags(cmd, b.s)
	b.format.Flag(cmd)
	return cmd
}

func (b *benchCommand) sizeFlag(cmd *cobra.Command) {
	cmd.Flags().IntVar(&b.size, "size", 100, "`BYTES` of each record's value")
}

// benchResult is what a measurement ends with.
type benchResult struct {
	Operation        string        `json:"operation" yaml:"operation"`
	Topic            string        `json:"topic" yaml:"topic"`
	Records          int64         `json:"records" yaml:"records"`
	Seconds          float64       `json:"seconds" yaml:"seconds"`
	RecordsPerSecond float64       `json:"records_per_second" yaml:"records_per_second"`
	MBPerSecond      float64       `json:"mb_per_second" yaml:"mb_per_second"` // 10^6 bytes of values
	Refusals         *int64        `json:"refusals,omitempty" yaml:"refusals,omitempty"`
	Latency          *benchLatency `json:"latency_ms,omitempty" yaml:"latency_ms,omitempty"`
}

// benchLatency is in milliseconds.
type benchLatency struct {
	P50  float64 `json:"p50" yaml:"p50"`
	P90  float64 `json:"p90" yaml:"p90"`
	P99  float64 `json:"p99" yaml:"p99"`
	P999 float64 `json:"p999" yaml:"p999"`
	Max  float64 `json:"max" yaml:"max"`
}

func (b *benchCommand) tell(r benchResult) error {
	return b.format.Render(b.s.Out, r, func(w io.Writer) {
		command.Row(w, r.Operation, fmt.Sprintf("%d records in %.2f s, topic %s", r.Records, r.Seconds, r.Topic))
		command.Row(w, "rate", fmt.Sprintf("%.0f records/s, %.1f MB/s", r.RecordsPerSecond, r.MBPerSecond))
		if l := r.Latency; l != nil {
			command.Row(w, "latency",
				fmt.Sprintf("p50 %.2f ms, p90 %.2f, p99 %.2f, p99.9 %.2f, max %.2f", l.P50, l.P90, l.P99, l.P999, l.Max))
		}
		if r.Refusals != nil {
			command.Row(w, "refusals",
				fmt.Sprintf("%d, %.2f tries a commit", *r.Refusals, 1+float64(*r.Refusals)/float64(max(1, r.Records))))
		}
	})
}

// meter counts what was done. Any goroutine may count.
type meter struct {
	began   time.Time
	ends    time.Time
	records atomic.Int64
	bytes   atomic.Int64
	most    int64 // records; 0: no limit
	begun   atomic.Int64

	latency struct {
		sync.Mutex
		*hdrhistogram.Histogram
	}
}

const (
	latencyMax = time.Minute
	noLimit    = 100 * 365 * 24 * time.Hour // of what is ended by an interrupt, or by its records
)

func (b *benchCommand) meter() *meter {
	m := &meter{began: time.Now(), most: b.records}
	m.ends = m.began.Add(noLimit)
	if b.duration > 0 {
		m.ends = m.began.Add(b.duration)
	}
	m.latency.Histogram = hdrhistogram.New(1, latencyMax.Microseconds(), 3)
	return m
}

// next reports whether another record is to be sent.
func (m *meter) next(ctx context.Context) bool {
	n := m.begun.Add(1)
	return ctx.Err() == nil && (m.most == 0 || n <= m.most) && time.Now().Before(m.ends)
}

func (m *meter) done(bytes int, took time.Duration) {
	m.records.Add(1)
	m.bytes.Add(int64(bytes))
	m.latency.Lock()
	defer m.latency.Unlock()
	m.latency.RecordValue(min(took, latencyMax).Microseconds())
}

// part is how far the measurement is, of 1.
func (m *meter) part(now time.Time) float64 {
	part := float64(now.Sub(m.began)) / float64(m.ends.Sub(m.began))
	if m.most > 0 {
		part = max(part, float64(m.records.Load())/float64(m.most))
	}
	return min(part, 1)
}

func (m *meter) result(operation, topic string) benchResult {
	seconds := max(time.Since(m.began).Seconds(), 1e-6)
	r := benchResult{Operation: operation, Topic: topic, Records: m.records.Load(), Seconds: seconds}
	r.RecordsPerSecond, r.MBPerSecond = float64(r.Records)/seconds, float64(m.bytes.Load())/seconds/1e6
	m.latency.Lock()
	defer m.latency.Unlock()
	if m.latency.TotalCount() > 0 {
		at := func(p float64) float64 { return float64(m.latency.ValueAtPercentile(p)) / 1000 }
		r.Latency = &benchLatency{at(50), at(90), at(99), at(99.9), float64(m.latency.Max()) / 1000}
	}
	return r
}

// topic is the one that was named, or a new one and what removes it.
func (b *benchCommand) topic(ctx context.Context, args []string) (name string, remove func(), err error) {
	if len(args) > 0 {
		return args[0], func() {}, nil
	}
	adm, err := b.cluster.Admin(ctx)
	if err != nil {
		return "", nil, err
	}
	name = "bench-" + rand.Text()[:8]
	if _, err := adm.CreateTopic(ctx, 1, -1, nil, name); err != nil {
		adm.Close()
		return "", nil, command.TopicError(name, err)
	}
	return name, func() {
		adm.DeleteTopics(context.WithoutCancel(ctx), name)
		adm.Close()
	}, nil
}

// value is what records hold.
func (b *benchCommand) value() []byte {
	v := make([]byte, b.size)
	rand.Read(v)
	return v
}

// failure keeps the first of the errors that many goroutines may have. What was
// under way when the command was interrupted is none: the measurement ends.
type failure struct {
	command context.Context
	once    sync.Once
	stop    context.CancelFunc
	err     error
}

func (f *failure) is(err error) {
	if f.command.Err() != nil {
		return
	}
	f.once.Do(func() { f.err = err; f.stop() })
}
