package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"

	"github.com/lockstep-log/lockstep/coordinator/refusal"
)

// A member of etcd must never come back under its name with an empty
// directory: it has forgotten what it voted for and what it promised to keep,
// and with it a quorum could forget as well. So a member without a directory
// first asks the others who they know it as:
//
//	nobody answers            it starts a new cluster; those who come do the same
//	one that never started    it starts: the cluster is just being made
//	one that was added        it joins
//	one that has started      it refuses: somebody has to remove that one and add this one,
//	                          which is ReplaceMember, by any broker that lives
//
// Members answer with what they have seen published: a member publishes a
// client URL at its first start, though nobody listens there.

// ErrMemberLost refuses an empty directory for a member that had one.
var ErrMemberLost = errors.New("etcd member has lost its directory")

// ErrOtherMembers refuses a directory of a member that has other peers.
var ErrOtherMembers = errors.New("etcd directory belongs to another set of members")

// askPeerTimeout bounds the question to one peer.
const askPeerTimeout = 2 * time.Second

// peerMember is a member as etcd's /members tells it.
type peerMember struct {
	Name       string   `json:"name"`
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs"`
}

// hasRun reports whether the directory is that of a member which goes on from there.
func hasRun(o EmbeddedOptions) bool { return wal.Exist(filepath.Join(o.Dir, "member", "wal")) }

// clusterState is how etcd is to start: as one of a new cluster or of one that exists.
func clusterState(ctx context.Context, o EmbeddedOptions) (string, error) {
	if hasRun(o) {
		return embed.ClusterStateFlagNew, nil // it goes on from there
	}
	members, from := askPeers(ctx, o)
	if members == nil {
		return embed.ClusterStateFlagNew, nil
	}
	at := slices.IndexFunc(members, func(m peerMember) bool { return slices.Contains(m.PeerURLs, o.Peers[o.Name]) })
	switch {
	case at < 0:
		return "", fmt.Errorf("etcd member %s at %s is not one of the cluster that %s belongs to; "+
			"run `lockstep cluster brokers --replace %s` against a broker that lives, then start this one again",
			o.Name, o.Peers[o.Name], from, o.Name)
	case members[at].Name == "":
		return embed.ClusterStateFlagExisting, nil
	case len(members[at].ClientURLs) > 0:
		return "", fmt.Errorf("%w: %s is empty, and %s knows member %s as one that has run. If the machine or disk was "+
			"replaced, "+
			"run `lockstep cluster brokers --replace %s` against a broker that lives, then start this one again; "+
			"if the directory is only not mounted, mount it", ErrMemberLost, o.Dir, from, o.Name, o.Name)
	}
	return embed.ClusterStateFlagNew, nil
}

// checkAlone and checkPeers refuse a directory in which the member has other
// company than it was told: etcd goes by the directory, so that of three brokers
// which once were alone each would be a cluster.
//
// checkAlone comes before the member has a quorum, which it would never have.
func (e *Embedded) checkAlone(o EmbeddedOptions) error {
	if others := e.others(); len(o.Peers) == 0 && len(others) > 0 {
		return fmt.Errorf("%w: it is a member's among others at %v, and this one is to be alone; start it with its peers",
			ErrOtherMembers, others)
	}
	return nil
}

// checkPeers comes when the member has a quorum: one that was killed in its first
// moments may have its peers in its log alone, and reads that as it starts.
func (e *Embedded) checkPeers(o EmbeddedOptions) error {
	if len(o.Peers) > 1 && len(e.others()) == 0 && e.goesOn {
		return fmt.Errorf("%w: it is that of a member alone, and this one is to have peers; give the broker a new "+
			"directory to make it one of several",
			ErrOtherMembers)
	}
	return nil
}

// others are where the other members are, as the directory has it.
func (e *Embedded) others() (all []string) {
	for _, m := range e.etcd.Server.Cluster().Members() {
		if m.ID != e.etcd.Server.MemberID() {
			all = append(all, m.PeerURLs...)
		}
	}
	return all
}

// askPeers returns the members as the first of the others that answers knows them, and who that was.
func askPeers(ctx context.Context, o EmbeddedOptions) ([]peerMember, string) {
	for _, name := range slices.Sorted(maps.Keys(o.Peers)) {
		if name == o.Name {
			continue
		}
		if members, err := askPeer(ctx, o.Peers[name]); err == nil && len(members) > 0 {
			return members, name
		}
	}
	return nil, ""
}

func askPeer(ctx context.Context, peerURL string) (members []peerMember, err error) {
	ctx, cancel := context.WithTimeout(ctx, askPeerTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, peerURL+"/members", nil)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", req.URL, resp.Status)
	}
	return members, json.NewDecoder(resp.Body).Decode(&members)
}

// ReplaceMember removes a member of the embedded etcd that has lost its directory
// for good and adds it anew, so that it may start empty. It refuses while the member
// answers. What was begun and broke off is gone on with.
func (s *Store) ReplaceMember(ctx context.Context, name string) error {
	peerURL, ok := s.peers[name]
	if !ok {
		return fmt.Errorf("%w: the peers are %v", refusal.ErrUnknownBroker, slices.Sorted(maps.Keys(s.peers)))
	}
	if _, err := askPeer(ctx, peerURL); err == nil {
		return fmt.Errorf("%w: it answers at %s; stop it first", refusal.ErrInvalidRequest, peerURL)
	}
	call, cancel := context.WithTimeout(ctx, etcdCallTimeout)
	defer cancel()
	list, err := s.client.MemberList(call)
	if err != nil {
		return etcdError(ctx, "list members", err)
	}
	for _, m := range list.Members {
		if !slices.Contains(m.PeerURLs, peerURL) {
			continue
		}
		if m.Name == "" {
			return nil // it was added, and has not started yet
		}
		err := whenHealthy(ctx, func(ctx context.Context) error { _, err := s.client.MemberRemove(ctx, m.ID); return err })
		if err != nil && !errors.Is(err, rpctypes.ErrMemberNotFound) {
			return etcdError(ctx, "remove member", err)
		}
	}
	err = whenHealthy(ctx, func(ctx context.Context) error {
		_,
			err := s.client.MemberAdd(ctx, []string{peerURL})
		return err
	})
	return etcdError(ctx, "add member", err)
}

// whenHealthy tries until etcd lets its members be changed, which it does not
// before those who live have been connected for five seconds.
func whenHealthy(ctx context.Context, change func(context.Context) error) error {
	for {
		call, cancel := context.WithTimeout(ctx, etcdCallTimeout)
		err := change(call)
		cancel()
		if !errors.Is(err, rpctypes.ErrUnhealthy) || !pause(ctx, unhealthyPause) {
			return err
		}
	}
}

// unhealthyPause is how long whenHealthy waits between two tries.
const unhealthyPause = time.Second

// pause reports false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
