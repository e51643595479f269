package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/version"
	"go.etcd.io/etcd/server/v3/storage/wal"

	"github.com/lockstep-log/lockstep/coordinator/store"
)

// How a broker comes into a cluster. It opens its port and asks any broker of the
// cluster to let it in. That one asks back at the port, before anything changes:
//
//	GET /lockstep/joiner?directory=…&as=member&peer=http://…&peer=http://…
//
// The answer is what the joiner is, and which of the peers it cannot reach. So
// each side has seen the other; who is refused has moved nothing. A member is then
// added as a learner, and starts its etcd with what the others know of the members.

// joinerPath is where a port answers as long as its broker is not in.
const joinerPath = "/lockstep/joiner"

// Roles that a broker is let in for.
const (
	RoleMember = "member" // it is to carry a member
	RoleClient = "client" // there are members enough: it is a client of them
)

// JoinerLevel is raised when brokers that join must know something that older ones do not.
const JoinerLevel = 1

// Joiner is what a broker that wants to join says of itself.
type Joiner struct {
	Level     int      `json:"level"`
	Node      int32    `json:"node"`
	Directory string   `json:"directory"`
	Cluster   string   `json:"cluster,omitempty"` // that its directory belongs to; "" = none yet
	Version   string   `json:"version"`
	Format    int      `json:"format"` // of the metadata, the newest that it reads
	Etcd      string   `json:"etcd"`
	NowMs     int64    `json:"nowMs"`
	Failed    []string `json:"failed,omitempty"` // peers that it cannot reach, and why
}

const (
	joinerPeersMax = 16
	// askJoinerTimeout is longer than the joiner takes to try its peers, all at once.
	askJoinerTimeout = 2 * askPeerTimeout
)

// Told is what a joiner was told at its port.
type Told struct {
	Role  string
	Peers []string // where the members are
}

// Waiting is a port that answers for a broker which is not in yet.
type Waiting struct {
	self Joiner
	now  func() time.Time

	mu struct {
		sync.Mutex
		told Told
	}
}

// WaitToJoin has a port answer with what its broker is, as ThisVersion has made it,
// and with the time.
func (p *PeerPort) WaitToJoin(self Joiner, now func() time.Time) *Waiting {
	w := &Waiting{self: self, now: now}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+joinerPath, w.answer)
	p.answer(mux)
	return w
}

// ThisVersion is a joiner of this version, of which the broker fills in the rest.
func ThisVersion() Joiner {
	return Joiner{Level: JoinerLevel, Etcd: version.Version, Format: store.FormatVersion}
}

// Told is what was said by whoever asked last.
func (w *Waiting) Told() Told {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mu.told
}

func (w *Waiting) answer(out http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query()
	if asked.Get("directory") != w.self.Directory || len(asked["peer"]) > joinerPeersMax {
		http.Error(out, "another broker waits here", http.StatusConflict)
		return
	}
	self := w.self
	self.Failed = unreachable(r.Context(), asked["peer"])
	self.NowMs = w.now().UnixMilli()
	w.mu.Lock()
	w.mu.told = Told{Role: asked.Get("as"), Peers: asked["peer"]}
	w.mu.Unlock()
	out.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(out).Encode(self) // who asked notices
}

// unreachable tries peers, all at once, and says of those that do not answer why.
func unreachable(ctx context.Context, peers []string) (failed []string) {
	errs := make([]error, len(peers))
	var wg sync.WaitGroup
	for i, peer := range peers {
		wg.Go(func() { _, errs[i] = askPeer(ctx, peer) })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil && !errors.Is(err, errPeerStarts) {
			failed = append(failed, fmt.Sprintf("%s: %v", peers[i], withoutURL(err)))
		}
	}
	return failed
}

// withoutURL leaves out the address that is said already.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// AskJoiner asks the broker with a directory, which waits at a port, what it is.
// The round trip is how far off its clock may look.
func AskJoiner(ctx context.Context, peerURL, directory string, tell Told) (j Joiner, roundTrip time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, askJoinerTimeout)
	defer cancel()
	began := time.Now()
	query := url.Values{"directory": {directory}, "as": {tell.Role}, "peer": tell.Peers}
	err = getJSON(ctx, peerURL+joinerPath+"?"+query.Encode(), &j)
	return j, time.Since(began), err
}

// ServesEtcd reports whether a member of this version can join one of that version:
// etcd takes no member that is older, in its first two numbers.
func ServesEtcd(joiner, cluster string) bool {
	return slices.Compare(majorMinor(joiner), majorMinor(cluster)) >= 0
}

func majorMinor(v string) []int {
	var n [2]int
	_, _ = fmt.Sscanf(v, "%d.%d", &n[0], &n[1]) // what cannot be read is the oldest
	return n[:]
}

// initialMembers is what etcd is to be told of the members when this one starts
// for the first time: those whom the others know, each under some name.
func initialMembers(name, own string, known []peerMember) (string, error) {
	var all []string
	found := false
	for i, m := range known {
		as := fmt.Sprintf("member-%d", i)
		if slices.Contains(m.PeerURLs, own) {
			as, found = name, true
		}
		for _, u := range m.PeerURLs {
			all = append(all, as+"="+u)
		}
	}
	if !found {
		return "", fmt.Errorf("the cluster does not know a member at %s", own)
	}
	return strings.Join(all, ","), nil
}

// HasRun reports whether a directory is that of a member which goes on from there.
func HasRun(dir string) bool { return wal.Exist(filepath.Join(dir, "member", "wal")) }
