package producer

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/test/e2e"
)

// BenchmarkOneHotLock has writers contend for one lock, each with a view and
// connections of its own or eight with one, against a broker process.
func BenchmarkOneHotLock(b *testing.B) {
	for name, n := range map[string]struct{ views, writers int }{
		"1": {1, 1}, "2": {2, 2}, "8": {8, 8}, "32": {32, 32}, "8-of-one-view": {1, 8},
	} {
		writers := n.writers
		b.Run(name, func(b *testing.B) {
			br := e2e.Start(b, "--topics", "t:1")
			tries, reads := produces(), fetches()
			var views []*client.View[counters]
			for range n.views {
				cl, err := kgo.NewClient(kgo.SeedBrokers(br.Addr), kgo.WithHooks(tries, reads))
				if err != nil {
					b.Fatal(err)
				}
				defer cl.Close()
				c, err := client.New(cl)
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				v, err := client.NewView(c, "t", 0, counters{}, add)
				if err != nil {
					b.Fatal(err)
				}
				defer v.Close()
				if err := v.Read(b.Context(), func(counters, int64) error { return nil }); err != nil {
					b.Fatal(err)
				}
				views = append(views, v)
			}
			tries.n.Store(0)
			reads.n.Store(0)
			took := make([][]time.Duration, writers)
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var all sync.WaitGroup
			for w := range writers {
				all.Go(func() {
					for v := views[w%n.views]; left.Add(-1) >= 0; {
						began := time.Now()
						if _, err := v.Update(b.Context(), increment("hot")); err != nil {
							b.Error(err)
							return
						}
						took[w] = append(took[w], time.Since(began))
					}
				})
			}
			all.Wait()
			b.StopTimer()
			latencies := slices.Sorted(slices.Values(slices.Concat(took...)))
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
			b.ReportMetric(float64(tries.n.Load())/float64(b.N), "tries/commit")
			b.ReportMetric(float64(reads.n.Load())/float64(b.N), "fetches/commit")
			b.ReportMetric(float64(latencies[len(latencies)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(len(slices.MinFunc(took, func(a, b []time.Duration) int { return len(a) - len(b) })))*float64(writers)/float64(b.N), "least/mean")
		})
	}
}

// BenchmarkUncontended has one client append 100 B records as fast as it can: by
// kgo's own producer, and on condition of one lock each.
func BenchmarkUncontended(b *testing.B) {
	payload := make([]byte, 100)
	run := func(name string, produce func(b *testing.B, cl *kgo.Client, done func(error)) (one func(i int), end func())) {
		b.Run(name, func(b *testing.B) {
			br := e2e.Start(b, "--topics", "t:1")
			sent := produces()
			cl, err := kgo.NewClient(kgo.SeedBrokers(br.Addr), kgo.WithHooks(sent), kgo.DefaultProduceTopic("t"), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerLinger(0))
			if err != nil {
				b.Fatal(err)
			}
			defer cl.Close()
			var all sync.WaitGroup
			one, end := produce(b, cl, func(err error) {
				if err != nil {
					b.Error(err)
				}
				all.Done()
			})
			b.SetBytes(100)
			ours, brokers := cpu(os.Getpid()), cpu(br.Pid())
			b.ResetTimer()
			for i := range b.N {
				all.Add(1)
				one(i)
			}
			all.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
			b.ReportMetric(float64(cpu(os.Getpid())-ours)/float64(b.N), "client-ns/op")
			b.ReportMetric(float64(cpu(br.Pid())-brokers)/float64(b.N), "broker-ns/op")
			b.ReportMetric(float64(b.N)/float64(sent.n.Load()), "appends/request")
			end()
		})
	}
	run("kgo", func(b *testing.B, cl *kgo.Client, done func(error)) (func(int), func()) {
		return func(int) {
			cl.Produce(b.Context(), &kgo.Record{Value: payload}, func(_ *kgo.Record, err error) { done(err) })
		}, func() {}
	})
	for _, locks := range []int{0, 1, 8} {
		run(fmt.Sprintf("locks=%d", locks), func(b *testing.B, cl *kgo.Client, done func(error)) (func(int), func()) {
			c, err := client.New(cl)
			if err != nil {
				b.Fatal(err)
			}
			ctx := context.Background()
			var basis atomic.Int64
			basis.Store(client.None)
			return func(i int) {
				cond := client.Cond{Basis: basis.Load(), Locks: make([]client.Lock, locks)}
				for l := range cond.Locks { // written before, if at all, long ago
					cond.Locks[l] = client.Write("acct:" + strconv.Itoa((i*locks+l)%800_000))
				}
				c.AppendAsync(ctx, "t", 0, cond, func(r client.Result, err error) {
					basis.Store(r.Offset)
					done(err)
				}, &kgo.Record{Value: payload})
			}, c.Close
		})
	}
}

// cpu is the time that a process has had of its processors.
func cpu(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0 // not on Linux
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / clockTicks
}

const clockTicks = 100 // a second, on every Linux of today
