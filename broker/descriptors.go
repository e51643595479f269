package broker

import (
	"math"

	"golang.org/x/sys/unix"
)

// descriptors is how the files that the process may have open are shared out.
// Clients cannot take what logs and metadata need: a log that cannot open its
// file takes no writes, and metadata that cannot is lost to the whole broker.
//
//	| own: metadata, lock base, other brokers | HTTP | clients | logs |
type descriptors struct {
	limit   int // of the process
	clients int // connections on all listeners
	http    int // connections
}

const (
	ownDescriptorsMax  = 512     // a base of 256 tables, etcd, connections to and from other brokers
	httpDescriptorsMax = 256     // scrapers, health checks, people
	descriptorsMost    = 1 << 20 // what counts as without a limit
)

// shareDescriptors shares out what the process may have. Nothing is left to
// chance with few: a quarter is the broker's own, and clients get two thirds of the rest.
func shareDescriptors(limit int) *descriptors {
	limit = min(limit, descriptorsMost)
	own := min(limit/4, ownDescriptorsMax)
	http := min(limit/16, httpDescriptorsMax)
	return &descriptors{limit: limit, http: http, clients: (limit - own - http) / 3 * 2}
}

// descriptorLimit is how many files this process may have open. Go has raised
// it to what the system allows.
func descriptorLimit() int {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil || l.Cur > math.MaxInt32 {
		return descriptorsMost
	}
	return int(l.Cur)
}

// connectionsMax is how many connections there may be on all listeners.
func (s *Server) connectionsMax() int {
	return min(int(s.live.now().ConnectionsMax), s.descriptors.clients)
}
