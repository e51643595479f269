package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/lockstep-log/lockstep/coordinator/refusal"
)

// Member is a member of the etcd that brokers carry.
type Member struct {
	ID      uint64
	Name    string // its broker's id; "" = it has been added and has not started yet
	URLs    []string
	Learner bool // it follows, and does not vote
}

// ErrNotReady refuses to promote a learner that has not caught up.
var ErrNotReady = errors.New("the learner has not caught up")

// Members are all members, as a quorum knows them.
func (s *Store) Members(ctx context.Context) ([]Member, error) {
	call, cancel, err := begin(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	list, err := s.client.MemberList(call)
	if err != nil {
		return nil, etcdError(ctx, "list members", err)
	}
	return membersOf(list.Members), nil
}

func membersOf(list []*etcdserverpb.Member) []Member {
	all := make([]Member, len(list))
	for i, m := range list {
		all[i] = Member{ID: m.ID, Name: m.Name, URLs: m.PeerURLs, Learner: m.IsLearner}
	}
	slices.SortFunc(all, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// MemberNames are the members as the one in this process knows them, without asking
// anybody; none, where there is none.
func (s *Store) MemberNames() (names []string) {
	if s.member == nil {
		return nil
	}
	for _, m := range s.member.Cluster().Members() {
		names = append(names, m.Name)
	}
	return names
}

// Leads reports whether the member in this process leads etcd.
func (s *Store) Leads() bool { return s.member != nil && s.member.Leader() == s.member.MemberID() }

// AddLearner adds a member that may then start at peerURL.
func (s *Store) AddLearner(ctx context.Context, peerURL string) error {
	err := whenHealthy(ctx, func(ctx context.Context) error {
		_, err := s.client.MemberAddAsLearner(ctx, []string{peerURL})
		return err
	})
	if errors.Is(err, rpctypes.ErrPeerURLExist) {
		return nil // an earlier try, of which the outcome was not known
	}
	return etcdError(ctx, "add member", err)
}

// Promote gives a learner a vote. ErrNotReady: it has to catch up first.
func (s *Store) Promote(ctx context.Context, id uint64) error {
	call, cancel, err := begin(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	switch _, err := s.client.MemberPromote(call, id); {
	case errors.Is(err, rpctypes.ErrMemberLearnerNotReady):
		return ErrNotReady
	case errors.Is(err, rpctypes.ErrMemberNotLearner):
		return nil // it has been promoted
	default:
		return etcdError(ctx, "promote member", err)
	}
}

// RemoveMember removes a member for good. etcd refuses what would leave no quorum of
// those who live. A member that is gone is no error.
func (s *Store) RemoveMember(ctx context.Context, id uint64) error {
	err := whenHealthy(ctx, func(ctx context.Context) error { _, err := s.client.MemberRemove(ctx, id); return err })
	if errors.Is(err, rpctypes.ErrMemberNotFound) {
		return nil
	}
	return etcdError(ctx, "remove member", err)
}

// HandOver has another member lead if this one does and was started alone: its
// election timeout is shorter than the others', until its next start. to has a vote.
func (s *Store) HandOver(ctx context.Context, to uint64) error {
	if !s.Leads() || !s.embedded.quick {
		return nil
	}
	call, cancel, err := begin(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	_, err = s.client.MoveLeader(call, to)
	return etcdError(ctx, "hand the lead over", err)
}

// Quick reports whether this member's election timeout is that of a member alone.
func (s *Store) Quick() bool { return s.embedded != nil && s.embedded.quick }

// OwnID is the member in this process.
func (s *Store) OwnID() uint64 { return uint64(s.member.MemberID()) }

// ClusterVersion is etcd's, below which no member can be; "" = it is not known yet.
func (s *Store) ClusterVersion() string {
	if s.member == nil || s.member.ClusterVersion() == nil {
		return ""
	}
	return s.member.ClusterVersion().String()
}

// OpenPort opens the port of a member that has none yet, tells the others of it, and
// returns what they are told.
func (s *Store) OpenPort(ctx context.Context, o PortOptions) (string, error) {
	if s.embedded == nil {
		return "", fmt.Errorf("%w: there is no etcd member in this broker", refusal.ErrInvalidRequest)
	}
	return s.embedded.openPort(ctx, o)
}

func (e *Embedded) hasPort() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.mu.port != nil
}

func (e *Embedded) openPort(ctx context.Context, o PortOptions) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.port == nil {
		o.Dir = e.dir
		p, err := OpenPort(o)
		if err != nil {
			return "", err
		}
		p.serve(e.etcd.Server)
		e.mu.port = p
	}
	return e.mu.port.URL(), e.tellPortLocked(ctx)
}

// tellPort has the members know this one where its port is.
func (e *Embedded) tellPort(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tellPortLocked(ctx)
}

func (e *Embedded) tellPortLocked(ctx context.Context) error {
	self := e.etcd.Server.Cluster().Member(e.etcd.Server.MemberID())
	if e.mu.port == nil || self == nil || slices.Equal(self.PeerURLs, []string{e.mu.port.URL()}) {
		return nil
	}
	call, cancel, err := begin(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	_, err = e.store.client.MemberUpdate(call, uint64(self.ID), []string{e.mu.port.URL()})
	return etcdError(ctx, "update member", err)
}

// ReplaceMember removes a member of the embedded etcd that has lost its directory
// for good and adds it anew, as a learner, so that it may start empty. It refuses while
// the member answers. What was begun and broke off is gone on with.
func (s *Store) ReplaceMember(ctx context.Context, name string) error {
	members, err := s.Members(ctx)
	if err != nil {
		return err
	}
	peerURL := s.peers[name]
	at := slices.IndexFunc(members, func(m Member) bool {
		return m.Name == name || slices.Contains(m.URLs, peerURL)
	})
	switch {
	case at < 0 && peerURL == "":
		return fmt.Errorf("%w: there is no member %s", refusal.ErrUnknownBroker, name)
	case at >= 0 && members[at].Name == "":
		return nil // it was added, and has not started yet
	case at >= 0:
		peerURL = members[at].URLs[0]
		if _, err := askPeer(ctx, peerURL); err == nil {
			return fmt.Errorf("%w: it answers at %s; stop it first", refusal.ErrInvalidRequest, peerURL)
		}
		if err := s.RemoveMember(ctx, members[at].ID); err != nil {
			return err
		}
	}
	return s.AddLearner(ctx, peerURL)
}

// Answers reports whether a member answers at its port.
func (m *Member) Answers(ctx context.Context) bool {
	return slices.ContainsFunc(m.URLs, func(u string) bool { _, err := askPeer(ctx, u); return err == nil })
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
