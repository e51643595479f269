package attack

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol/record"
)

// Goal: a broker stops whatever its clients are at, and leaves nothing running.
// Method: connections in every state that a connection has.
func TestABrokerUnderAttackStops(t *testing.T) {
	before := goleak.IgnoreCurrent()
	v := attacked(t)
	v.topic("stop")
	parked := fetchRequest(partitionOf("stop", 0))
	parked.MaxWaitMillis, parked.MinBytes = 1<<31-1, 1<<31-1
	produce := request(produceRequest("stop", -1, batchOf(t, record.Record{Value: make([]byte, 100<<10)})), 9)
	var all []*socket
	for range 20 {
		for _, b := range [][]byte{
			nil, {0, 0}, claimed(100 << 20), append(claimed(100<<20), make([]byte, 64<<10)...),
			request(parked, 12), append(request(parked, 12), request(kmsg.NewPtrMetadataRequest(), 9)...),
		} {
			s := v.dial()
			s.send(b)
			all = append(all, s)
		}
		s := v.dial()
		all = append(all, s)
		go func() {
			for {
				if _, err := s.nc.Write(produce); err != nil {
					return
				}
			}
		}()
	}
	v.dial().alive()
	v.stop()
	for _, s := range all {
		s.nc.Close()
	}
	if err := goleak.Find(before, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop")); err != nil {
		t.Error(err)
	}
}
