package broker

import (
	"math"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"
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

	turnedAway, unaccepted rate.Sometimes // bound the lines in the log
}

const (
	ownDescriptorsMax  = 512     // a base of 256 tables, etcd, connections to and from other brokers
	httpDescriptorsMax = 256     // scrapers, health checks, people
	descriptorsMost    = 1 << 20 // what counts as without a limit
)

// shortageLogged is how often the log speaks of the same shortage at most.
const shortageLogged = time.Minute

// shareDescriptors shares out what the process may have. Nothing is left to
// chance with few: a quarter is the broker's own, and clients get two thirds of the rest.
func shareDescriptors(limit int) *descriptors {
	limit = min(limit, descriptorsMost)
	own := min(limit/4, ownDescriptorsMax)
	http := min(limit/16, httpDescriptorsMax)
	d := &descriptors{limit: limit, http: http, clients: (limit - own - http) / 3 * 2}
	for _, s := range []*rate.Sometimes{&d.turnedAway, &d.unaccepted} {
		s.First, s.Interval = 1, shortageLogged
	}
	return d
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

// admit counts a client's connection, or turns it away.
func (s *Server) admit() bool {
	most := min(int(s.live.now().ConnectionsMax), s.descriptors.clients)
	if s.connections.Add(1) <= int64(most) {
		return true
	}
	s.connections.Add(-1)
	s.metrics.turnedAway.Inc()
	s.descriptors.turnedAway.Do(func() {
		s.log.Warn("clients are turned away: there are too many connections", "connections", most,
			"open files allowed", s.descriptors.limit)
	})
	return false
}
