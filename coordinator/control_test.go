package coordinator

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/protocol"
)

// everyPartition reports whether all partitions are as wanted.
func everyPartition(im *Image, good func(*Partition) bool) bool {
	for _, t := range im.Topics() {
		for i := range t.Partitions {
			if !good(&t.Partitions[i]) {
				return false
			}
		}
	}
	return true
}

// led reports whether broker id leads a partition in this life.
func led(id protocol.BrokerID, incarnation int64) func(*Partition) bool {
	return func(p *Partition) bool {
		return p.Leader == id && p.ISR[0] == id && p.Joined[0] == incarnation
	}
}

// A lone broker that was killed leads everything again in its new life, in few transactions.
func TestALoneBrokerLeadsEverythingAgainAfterAKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etcd")
	start := func() (*Embedded, *runs, time.Duration) {
		e := startEmbedded(t, EmbeddedOptions{Dir: dir})
		c := openCluster(t, Options{Store: e.Store(), Self: broker(1)})
		began := time.Now()
		noError(t, c.Register(background(t), Registration{}))
		c.eventually(t, func(im *Image) bool { return everyPartition(im, led(1, c.Incarnation())) })
		return e, c, time.Since(began)
	}
	e, c, _ := start()
	create(t, c, "big", 10_000)
	for i := range 200 {
		create(t, c, fmt.Sprint("small-", i), 5)
	}
	before := c.Image().Revision
	c.kill(t)
	noError(t, e.Close())

	e, c, took := start()
	t.Logf("11,000 partitions took %v and %d revisions", took, c.Image().Revision-before)
	if used := c.Image().Revision - before; used > 150 {
		t.Errorf("%d transactions", used)
	}
	c.leave(t)
	noError(t, e.Close())
}
