package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
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

// errPeerStarts: the peer is there, and its etcd is not yet.
var errPeerStarts = errors.New("the peer is starting")

// peerAnswerBytesMax bounds what a peer may answer.
const peerAnswerBytesMax = 1 << 20

// peerMember is a member as etcd's /members tells it.
type peerMember struct {
	ID         uint64   `json:"id"`
	Name       string   `json:"name"`
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs"`
}

// clusterState is how etcd is to start: as one of a new cluster or of one that
// exists, and of which members.
func clusterState(ctx context.Context, o EmbeddedOptions, self string) (state, members string, err error) {
	alone := o.Name + "=" + self
	switch {
	case HasRun(o.Dir):
		return embed.ClusterStateFlagNew, alone, nil // it goes on from there
	case len(o.Join) > 0:
		members, err = membersToJoin(ctx, o, self)
		return embed.ClusterStateFlagExisting, members, err
	case len(o.Peers) == 0 && o.Port == nil && HasPort(o.Dir):
		return "", "", fmt.Errorf("%w: %s was made for a member that was to join others, and never did; start it with --join",
			ErrMemberLost, o.Dir)
	case len(o.Peers) == 0:
		return embed.ClusterStateFlagNew, alone, nil
	}
	known, from := askPeers(ctx, others(o))
	at := slices.IndexFunc(known, func(m peerMember) bool { return slices.Contains(m.PeerURLs, self) })
	switch {
	case known == nil:
	case at < 0:
		return "", "", fmt.Errorf("etcd member %s at %s is not one of the cluster that %s belongs to; "+
			"run `lockstep cluster brokers --replace %s` against a broker that lives, then start this one again",
			o.Name, self, from, o.Name)
	case known[at].Name == "":
		members, err = initialMembers(o.Name, self, known)
		return embed.ClusterStateFlagExisting, members, err
	case len(known[at].ClientURLs) > 0:
		return "", "", fmt.Errorf("%w: %s is empty, and %s knows member %s as one that has run. If the machine or disk was replaced, "+
			"run `lockstep cluster brokers --replace %s` against a broker that lives, then start this one again; "+
			"if the directory is only not mounted, mount it", ErrMemberLost, o.Dir, from, o.Name, o.Name)
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(o.Peers)) {
		all = append(all, name+"="+o.Peers[name])
	}
	return embed.ClusterStateFlagNew, strings.Join(all, ","), nil
}

const (
	// joinTries are how often a member that was let in asks who the others are: they
	// have added it a moment ago, and one that was asked may not have heard of it yet.
	joinTries = 40
	joinPause = 250 * time.Millisecond
)

// membersToJoin asks those who have added this member who the members are.
func membersToJoin(ctx context.Context, o EmbeddedOptions, self string) (members string, err error) {
	for try := 0; ; try++ {
		known, _ := askPeers(ctx, o.Join)
		if members, err = initialMembers(o.Name, self, known); err == nil {
			return members, nil
		}
		if try == joinTries || !pause(ctx, joinPause) {
			return "", err
		}
	}
}

// others are the URLs of all peers but this one's, in order of their names.
func others(o EmbeddedOptions) (urls []string) {
	for _, name := range slices.Sorted(maps.Keys(o.Peers)) {
		if name != o.Name {
			urls = append(urls, o.Peers[name])
		}
	}
	return urls
}

// checkAlone and checkPeers refuse a directory in which the member has other
// company than it was told: etcd goes by the directory, so that of three brokers
// which once were alone each would be a cluster.
//
// checkAlone comes before the member has a quorum, which it would never have.
func (e *Embedded) checkAlone(o EmbeddedOptions) error {
	if others := e.others(); len(o.Peers) == 0 && e.mu.port == nil && len(others) > 0 {
		return fmt.Errorf("%w: it is a member's among others at %v, and this one is to be alone; start it with its peers", ErrOtherMembers, others)
	}
	return nil
}

// checkPeers comes when the member has a quorum: one that was killed in its first
// moments may have its peers in its log alone, and reads that as it starts.
func (e *Embedded) checkPeers(o EmbeddedOptions) error {
	if len(o.Peers) > 1 && len(e.others()) == 0 && e.goesOn {
		return fmt.Errorf("%w: it is that of a member alone, and this one is to have peers; give the broker a new directory to make it one of several",
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
func askPeers(ctx context.Context, urls []string) (known []peerMember, from string) {
	for _, u := range urls {
		if members, err := askPeer(ctx, u); err == nil && len(members) > 0 {
			return members, u
		}
	}
	return nil, ""
}

func askPeer(ctx context.Context, peerURL string) (members []peerMember, err error) {
	ctx, cancel := context.WithTimeout(ctx, askPeerTimeout)
	defer cancel()
	return members, getJSON(ctx, peerURL+"/members", &members)
}

// getJSON asks a peer's port.
func getJSON(ctx context.Context, from string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return err
	}
	secure, err := peersTLS(from)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: secure}}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusServiceUnavailable {
		return errPeerStarts
	}
	body := io.LimitReader(resp.Body, peerAnswerBytesMax)
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(body)
		return fmt.Errorf("%s %s", resp.Status, strings.TrimSpace(string(text)))
	}
	return json.NewDecoder(body).Decode(into)
}
