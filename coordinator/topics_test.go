package coordinator

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/store/etcd"
)

// BenchmarkCreateTopic is one topic of one partition, from the call to its own image, in embedded etcd.
func BenchmarkCreateTopic(b *testing.B) {
	e, err := etcd.StartEmbedded(context.Background(), etcd.EmbeddedOptions{Dir: filepath.Join(b.TempDir(), "etcd"), Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	c, err := Open(context.Background(), Options{Store: e.Store(), Self: broker(1), Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- c.Run(context.Background()) }()
	if err := c.Register(context.Background(), Registration{}); err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		n++
		if _, err := c.CreateTopic(context.Background(), plan.NewTopic{Name: fmt.Sprint("topic-", n), Partitions: 1, ReplicationFactor: 1}, false); err != nil {
			b.Fatal(err)
		}
	}
	if err := c.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
	<-done
}
