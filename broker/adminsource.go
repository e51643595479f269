package broker

import (
	"maps"
	"net"
	"slices"
	"strconv"

	"github.com/lockstep-log/lockstep/broker/admin"
	"github.com/lockstep-log/lockstep/protocol"
)

// adminSource is the broker as administrators see it.
type adminSource struct{ srv *Server }

var _ admin.Source = adminSource{}

// ID implements admin.Source.
func (a adminSource) ID() protocol.BrokerID { return a.srv.cfg.NodeID }

// Ready implements admin.Source.
func (a adminSource) Ready() bool { return a.srv.isReady() }

// Metadata implements admin.Source.
func (a adminSource) Metadata() admin.Metadata { return a.srv.cluster }

// Hosted implements admin.Source.
func (a adminSource) Hosted() admin.Hosted { return a.srv.hosted }

// Peers implements admin.Source: they are those of the embedded etcd.
func (a adminSource) Peers() []protocol.BrokerID {
	peers := slices.Collect(maps.Keys(a.srv.cfg.EtcdPeers))
	if a.srv.cluster != nil && len(peers) == 0 {
		peers = a.srv.cluster.MemberBrokers()
	}
	return peers
}

// Problems implements admin.Source.
func (a adminSource) Problems() []string {
	all := []string{}
	if files := a.srv.hosted.DescriptorProblem(); files != "" {
		all = append(all, files)
	}
	if disk := a.srv.disk.Problem(); disk != "" {
		all = append(all, disk)
	}
	if room, _ := a.srv.cluster.StoreUsage(); room.Problem != "" {
		all = append(all, room.Problem)
	}
	return all
}

// DiskIsLow implements admin.Source.
func (a adminSource) DiskIsLow() bool { return a.srv.disk.IsLow() }

// DiskFree implements admin.Source.
func (a adminSource) DiskFree() (uint64, bool) {
	u, err := a.srv.fs.GetDiskUsage(a.srv.cfg.DataDir)
	return u.AvailBytes, err == nil
}

// LockWindowBytes implements admin.Source.
func (a adminSource) LockWindowBytes() int64 { return a.srv.budget.Used() }

// ClientRefusals implements admin.Source.
func (a adminSource) ClientRefusals(client string) []admin.ClientRefusal {
	return a.srv.refusals.of(client)
}

// Groups implements admin.Source.
func (a adminSource) Groups() []admin.Group { return a.srv.groups.sample() }

// Transactions implements admin.Source.
func (a adminSource) Transactions() admin.Transactions { return a.srv.transactions.sample() }

// sample counts the transactional ids by state.
func (t *transactions) sample() (all admin.Transactions) {
	all.MarkersPending = int(t.markers.pending.Load())
	answer := make(chan map[string]int, 1)
	err := t.runtime.Do(func() {
		ids := map[string]int{}
		t.runtime.Each(func(sh *txnShard, err error) {
			if err != nil {
				return
			}
			for state, n := range sh.Machine().States() {
				ids[state.String()] += n
			}
		})
		answer <- ids
	})
	if err == nil {
		all.IDs = <-answer
	}
	return all
}

// sample asks the loop for all groups.
func (g *groups) sample() []admin.Group {
	answer := make(chan []admin.Group, 1)
	err := g.runtime.Do(func() {
		var all []admin.Group
		g.eachActive(func(sh *groupShard) {
			for _, l := range sh.Machine().List() {
				all = append(all, admin.Group{Listing: l, Offsets: sh.Machine().FetchAll(l.Group, false)})
			}
		})
		answer <- all
	})
	if err != nil {
		return nil
	}
	return <-answer
}

// advertisedHTTP is where others may reach this broker's HTTP side: the address
// that is bound or, where that is every interface, the host that brokers reach
// each other by.
func (s *Server) advertisedHTTP() string {
	if s.http == nil {
		return ""
	}
	addr, ok := s.http.Addr().(*net.TCPAddr)
	if !ok || !addr.IP.IsUnspecified() {
		return s.http.Addr().String()
	}
	host := ""
	for _, l := range s.listeners {
		if l.Name == s.cfg.InterBroker {
			host = l.AdvertisedHost
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(addr.Port))
}
