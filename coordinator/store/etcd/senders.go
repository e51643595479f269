package etcd

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// senders corrects what members say of where they are. etcd sends that with each
// stream, and a member that knows no other yet, since it was killed in its first moments,
// answers there. A member that was started alone goes on sending the address that it
// had to be given then, at which it does not listen: it is told its own only when it
// starts again. So it is asked of the members, who know better.
type senders struct {
	peers []string // to ask; nil: nothing is corrected

	mu struct {
		sync.Mutex
		urls map[string]string // by member id, as etcd writes it
	}
}

// The headers of etcd's peers.
const (
	headerFrom     = "X-Server-From"
	headerPeerURLs = "X-PeerURLs"
)

func (s *senders) correct(r *http.Request) {
	from := r.Header.Get(headerFrom)
	if len(s.peers) == 0 || from == "" || r.Header.Get(headerPeerURLs) == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.mu.urls[from]; !known {
		members, _ := askPeers(r.Context(), s.peers)
		s.mu.urls = make(map[string]string, len(members))
		for _, m := range members {
			s.mu.urls[strconv.FormatUint(m.ID, 16)] = strings.Join(m.PeerURLs, ",")
		}
	}
	if urls := s.mu.urls[from]; urls != "" {
		r.Header.Set(headerPeerURLs, urls)
	}
}
