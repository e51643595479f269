package broker

import (
	"github.com/lockstep-log/lockstep/broker/admin"
	"github.com/lockstep-log/lockstep/broker/fetching"
)

// fetchSessionPartitionsMax bounds the partitions of all fetch sessions together:
// each takes some 400 bytes.
const fetchSessionPartitionsMax = 1 << 19

func newFetchSessions(c Config) *fetching.Cache {
	return fetching.NewCache(fetching.CacheOptions{
		Slots: c.FetchSessions.or(0), PartitionsMax: fetchSessionPartitionsMax, EvictionMs: c.FetchSessionEviction.Milliseconds(),
	})
}

// FetchSessions implements admin.Source.
func (a adminSource) FetchSessions() admin.FetchSessions {
	st := a.srv.fetchSessions.Stats()
	return admin.FetchSessions{Sessions: st.Sessions, Partitions: st.Partitions, Evictions: st.Evictions}
}
