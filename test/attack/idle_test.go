package attack

import (
	"net"
	"sync"
	"syscall"
	"testing"
)

// Goal: an idle connection costs goroutines' stacks and little else. Method: ten
// thousand of them, each of which has been served once, against a broker with a
// process of its own.
func TestTenThousandIdleConnectionsAreCheap(t *testing.T) {
	t.Parallel()
	const bytesEach = 12 << 10
	connections := 10_000
	if testing.Short() {
		connections = 1_000
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur < 2*uint64(connections) {
		t.Skipf("a process may have %d files open; %d are needed", files.Cur, 2*connections)
	}
	p := attackedProcess(t)
	b := p.bystand()
	before := p.memory()
	all := make([]net.Conn, connections)
	t.Cleanup(func() {
		for _, nc := range all {
			if nc != nil {
				nc.Close()
			}
		}
	})
	const dialers = 8
	var work sync.WaitGroup
	for d := range dialers {
		work.Go(func() {
			for i := d; i < connections; i += dialers {
				s, err := p.tryDial()
				if err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
				all[i] = s.nc
				s.alive()
			}
		})
	}
	work.Wait()
	b.progress()
	each := (p.memory() - before) / int64(connections)
	t.Logf("%d connections: %d bytes of resident memory each", connections, each)
	if each > bytesEach {
		t.Errorf("%d bytes a connection, want %d at most", each, bytesEach)
	}
	b.stillServed()
}
