package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestAStormOfConnectionsCostsNoPartition: a broker that may have few files open
// is asked for more connections than that. Meanwhile every partition takes
// writes, also those that have no file open yet, and afterwards as well.
func TestAStormOfConnectionsCostsNoPartition(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the limit is set by a Linux shell, and counted in /proc")
	}
	const limit, partitions = 400, 40
	b := StartLimited(t, limit, "--topics", fmt.Sprintf("orders:%d", partitions))
	write := func(when string, from, to int) {
		t.Helper()
		cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr), kgo.DefaultProduceTopic("orders"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		for i := from; i < to; i++ {
			r := cl.ProduceSync(ctx, &kgo.Record{Partition: int32(i), Value: []byte("v")})
			if err := r.FirstErr(); err != nil {
				t.Fatalf("%s: partition %d: %v", when, i, err)
			}
		}
	}
	write("before", 0, partitions/2)
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr), kgo.DefaultProduceTopic("orders"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Partition: 0, Value: []byte("v")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	var held []net.Conn
	defer func() {
		for _, nc := range held {
			nc.Close()
		}
	}()
	for range 2 * limit {
		nc, err := net.DialTimeout("tcp", b.Addr, time.Second)
		if err != nil {
			break
		}
		held = append(held, nc)
	}
	if len(held) < limit {
		t.Fatalf("only %d connections were made", len(held))
	}
	time.Sleep(time.Second)
	if n := b.openFiles(); n > limit*9/10 {
		t.Errorf("the storm takes the broker to %d of %d open files", n, limit)
	}
	for i := range int32(partitions) { // by a connection that was there before
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		err := cl.ProduceSync(ctx, &kgo.Record{Partition: i, Value: []byte("v")}).FirstErr()
		cancel()
		if err != nil {
			t.Fatalf("during the storm: partition %d: %v", i, err)
		}
	}
	if _, stderr, code := b.CLI("", "health"); code != 0 {
		t.Errorf("health during the storm: exit code %d, %s", code, stderr)
	}
	for _, nc := range held {
		nc.Close()
	}
	held = nil
	write("afterwards", 0, partitions)
}

// openFiles is how many descriptors the process has.
func (b *Broker) openFiles() int {
	b.t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", b.cmd.Process.Pid))
	if err != nil {
		b.t.Fatal(err)
	}
	return len(all)
}
