package coordinator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/coordinator/store/etcd"
	"github.com/lockstep-log/lockstep/protocol"
)

// Who keeps the metadata, where brokers carry its etcd. A broker that joins is added
// as a learner; the broker whose member leads etcd gives votes as plan.NextVoter says,
// one at a time. Members are named by their brokers' ids.

const (
	// membersEvery is how often the leader looks whether a learner is to get a vote.
	membersEvery = time.Second
	// ClockSkewMax is how far the clock of a broker that joins may be off.
	ClockSkewMax = 10 * time.Second
)

// JoinRequest is a broker's wish to be let in.
type JoinRequest struct {
	Broker    protocol.BrokerID
	Directory string // of its data
	PeerURL   string // where it waits to be asked, and where its member will be
	// Port is where this broker's own member is to be reached from now on, if it has been alone.
	Port etcd.PortOptions
}

// keepMembers gives learners their votes while this broker's member leads.
func (c *Cluster) keepMembers(ctx context.Context) error {
	s, ok := c.o.Store.(*etcd.Store)
	if !ok || !s.Local() {
		return nil
	}
	tick := time.NewTicker(membersEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if s.Alone() || !s.Leads() {
			continue
		}
		if err := c.nextVoter(ctx, s); err != nil && ctx.Err() == nil {
			c.log.Debug("no member was promoted", "error", err) // the next look tries again
		}
	}
}

// nextVoter carries out one step, if one is due.
func (c *Cluster) nextVoter(ctx context.Context, s *etcd.Store) error {
	members, err := s.Members(ctx)
	if err != nil {
		return err
	}
	planned := c.plannedMembers(members)
	id, ok := plan.NextVoter(planned)
	if !ok {
		return c.handOver(ctx, s, members, planned)
	}
	at := slices.IndexFunc(planned, func(m plan.MetadataMember) bool { return m.Broker == id })
	if err := s.Promote(ctx, members[at].ID); err != nil {
		return err
	}
	c.log.Info("broker votes on metadata from now on", "broker", id)
	return nil
}

// handOver has a member that was started alone lead no longer than it must: there are
// others, whose timeouts are made for a network.
func (c *Cluster) handOver(ctx context.Context, s *etcd.Store, members []etcd.Member, planned []plan.MetadataMember) error {
	if !s.Quick() {
		return nil
	}
	at, voters := -1, 0
	for i, m := range planned {
		if !m.Votes {
			continue
		}
		if !m.Live {
			return nil
		}
		if voters++; members[i].ID != s.OwnID() {
			at = i
		}
	}
	if voters <= 2 {
		return nil
	}
	return s.HandOver(ctx, members[at].ID)
}

// plannedMembers are members as plan sees them, in the same order.
func (c *Cluster) plannedMembers(members []etcd.Member) []plan.MetadataMember {
	im := c.Image()
	all := make([]plan.MetadataMember, len(members))
	for i, m := range members {
		all[i] = plan.MetadataMember{Broker: memberBroker(m.Name), Votes: !m.Learner}
		_, all[i].Live = im.Broker(all[i].Broker)
	}
	return all
}

// memberBroker is the broker whose member has a name; NoBroker: it is not known.
func memberBroker(name string) protocol.BrokerID {
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return protocol.NoBroker
	}
	return protocol.BrokerID(id)
}

// AddMember lets a broker in. It is asked back at its port before anything changes,
// and what is wrong with it is refused in words. A broker that was let in and was not
// told may ask again.
func (c *Cluster) AddMember(ctx context.Context, r JoinRequest) error {
	s, err := c.sharedStore()
	if err != nil {
		return err
	}
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	members, err := s.Members(ctx)
	if err != nil {
		return err
	}
	if err := c.checkJoiner(ctx, s, members, r); err != nil {
		return err
	}
	if s.Local() {
		if _, err := s.OpenPort(ctx, r.Port); err != nil {
			return fmt.Errorf("%w: this broker's own port for the others: %w", refusal.ErrInvalidRequest, err)
		}
		if members, err = s.Members(ctx); err != nil {
			return err
		}
	}
	tell := etcd.Told{Role: etcd.RoleClient, Peers: c.livePeers(members)}
	if plan.JoinsAsMember(c.plannedMembers(members)) || waits(members, r.PeerURL) {
		tell.Role = etcd.RoleMember
	}
	j, _, err := c.askJoiner(ctx, r, tell)
	if err != nil {
		return err
	}
	if len(j.Failed) > 0 {
		return refusal.New(refusal.ErrInvalidRequest, "Broker %d cannot reach the members of the metadata at %v; "+
			"their port must be open to it (--etcd-listen says where each is)", r.Broker, j.Failed)
	}
	if err := c.claimID(ctx, r); err != nil {
		return err
	}
	if tell.Role == etcd.RoleMember && !waits(members, r.PeerURL) {
		if err := s.AddLearner(ctx, r.PeerURL); err != nil {
			return err
		}
	}
	c.log.Info("broker was let in", "broker", r.Broker, "as", tell.Role, "at", r.PeerURL)
	return nil
}

// sharedStore is the store, if brokers carry it.
func (c *Cluster) sharedStore() (*etcd.Store, error) {
	s, ok := c.o.Store.(*etcd.Store)
	if !ok || !s.InBrokers() {
		return nil, refusal.New(refusal.ErrInvalidRequest, "The metadata of this cluster is in an outside etcd: "+
			"a broker joins by being started with the same --etcd, and is removed by being stopped")
	}
	return s, nil
}

// waits reports whether a member has been added at an address and has not started.
func waits(members []etcd.Member, peerURL string) bool {
	return slices.ContainsFunc(members, func(m etcd.Member) bool { return m.Name == "" && slices.Contains(m.URLs, peerURL) })
}

// livePeers are where the members are whose brokers live.
func (c *Cluster) livePeers(members []etcd.Member) (urls []string) {
	for i, m := range c.plannedMembers(members) {
		if m.Live {
			urls = append(urls, members[i].URLs...)
		}
	}
	return urls
}

// checkJoiner refuses a broker that cannot be one of this cluster.
func (c *Cluster) checkJoiner(ctx context.Context, s *etcd.Store, members []etcd.Member, r JoinRequest) error {
	no := func(format string, args ...any) error { return refusal.New(refusal.ErrInvalidRequest, format, args...) }
	if b, live := c.Image().Broker(r.Broker); live && b.DirectoryID != r.Directory {
		return no("Broker %d is there already, at %s, with another data directory; choose another --node-id", r.Broker, endpointOf(&b))
	}
	for _, m := range members {
		if m.Name == strconv.Itoa(int(r.Broker)) {
			return no("Broker %d has been a member of this cluster, with a data directory that is not this one. If that is lost, "+
				"run `lockstep cluster brokers --replace %d`; or choose another --node-id", r.Broker, r.Broker)
		}
	}
	j, roundTrip, err := c.askJoiner(ctx, r, etcd.Told{})
	if err != nil {
		return err
	}
	skew := time.Until(time.UnixMilli(j.NowMs)).Abs()
	switch {
	case j.Node != int32(r.Broker):
		return no("Broker %d waits at %s, and broker %d wants to join", j.Node, r.PeerURL, r.Broker)
	case j.Cluster != "" && j.Cluster != c.Image().ClusterID:
		return no("The data directory of broker %d belongs to cluster %s, and this is cluster %s; give it a new directory",
			r.Broker, j.Cluster, c.Image().ClusterID)
	case j.Level < etcd.JoinerLevel || j.Format < store.FormatVersion || !etcd.ServesEtcd(j.Etcd, s.ClusterVersion()):
		return no("Broker %d runs version %s (etcd %s, metadata format %d), which is too old for this cluster (etcd %s, metadata format %d); "+
			"upgrade it first", r.Broker, j.Version, j.Etcd, j.Format, s.ClusterVersion(), store.FormatVersion)
	case skew-roundTrip > ClockSkewMax:
		return no("The clock of broker %d is off by %s; %s is the most. Set it (NTP) and start the broker again", r.Broker,
			skew.Round(time.Second), ClockSkewMax)
	}
	return nil
}

func endpointOf(b *image.Broker) string {
	if len(b.Endpoints) == 0 {
		return "an unknown address"
	}
	return fmt.Sprintf("%s:%d", b.Endpoints[0].Host, b.Endpoints[0].Port)
}

func (c *Cluster) askJoiner(ctx context.Context, r JoinRequest, tell etcd.Told) (etcd.Joiner, time.Duration, error) {
	j, roundTrip, err := etcd.AskJoiner(ctx, r.PeerURL, r.Directory, tell)
	if err != nil {
		return j, 0, refusal.New(refusal.ErrInvalidRequest, "Broker %d cannot be reached at %s, where its member of the metadata is to be: %v; "+
			"set its --etcd-listen to an address that the others can reach", r.Broker, r.PeerURL, err)
	}
	return j, roundTrip, nil
}

// claimID makes the id the joining directory's, unless it is another's. Two that ask
// for one id at the same moment do not both get it.
func (c *Cluster) claimID(ctx context.Context, r JoinRequest) error {
	key := c.keys.Directory(r.Broker)
	for {
		var ok bool
		var was store.KeyValue
		err := c.insist(ctx, func(ctx context.Context) (err error) {
			if was, _, err = c.o.Store.Get(ctx, key); err != nil {
				return err
			}
			v, err := store.Decode[store.DirectoryValue](was)
			switch {
			case was.ModRevision == 0:
			case err == nil && v.Directory == r.Directory:
				ok = true
				return nil
			default:
				return refusal.New(refusal.ErrInvalidRequest, "The id %d belongs to another data directory of this cluster. If that broker is gone for good, "+
					"run `lockstep cluster remove %d`; or choose another --node-id", r.Broker, r.Broker)
			}
			put := store.Put(key, store.Encode(store.DirectoryValue{Directory: r.Directory}))
			ok, _, err = c.o.Store.Txn(ctx, []store.Compare{store.Absent(key)}, []store.Op{put})
			return err
		})
		if ok || err != nil {
			return err
		}
	}
}

// RemoveMember has the cluster forget a broker that is gone for good, and holds
// nothing any more.
func (c *Cluster) RemoveMember(ctx context.Context, id protocol.BrokerID) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	im := c.Image()
	if n := replicasOn(im, id); n > 0 {
		return refusal.New(refusal.ErrInvalidRequest, "Broker %d holds replicas of %d partitions; `lockstep cluster remove %d` moves them first", id, n, id)
	}
	s, ok := c.o.Store.(*etcd.Store)
	if ok && s.InBrokers() {
		if err := c.removeVoter(ctx, s, id); err != nil {
			return err
		}
	}
	gone := []store.Op{store.Delete(c.keys.Directory(id)), store.Delete(c.keys.BrokerConfig(id)), store.DeletePrefix(c.keys.Suspects(id))}
	return c.insist(ctx, func(ctx context.Context) error {
		_, _, err := c.o.Store.Txn(ctx, []store.Compare{store.Absent(c.keys.Broker(id))}, gone)
		return err
	})
}

func replicasOn(im *image.Image, id protocol.BrokerID) (n int) {
	for _, t := range im.Topics() {
		for i := range t.Partitions {
			if t.Partitions[i].Hosts(id) {
				n++
			}
		}
	}
	return n
}

// removeVoter takes a broker's member out, if it has one.
func (c *Cluster) removeVoter(ctx context.Context, s *etcd.Store, id protocol.BrokerID) error {
	members, err := s.Members(ctx)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(members, func(m etcd.Member) bool { return m.Name == strconv.Itoa(int(id)) })
	if at < 0 {
		return nil
	}
	if members[at].Answers(ctx) {
		return refusal.New(refusal.ErrInvalidRequest, "Broker %d answers at %v: stop it first", id, members[at].URLs)
	}
	if err := plan.CheckMemberRemoval(c.plannedMembers(members), id); err != nil {
		return err
	}
	if err := s.RemoveMember(ctx, members[at].ID); err != nil {
		return fmt.Errorf("remove the member of broker %d: %w", id, err)
	}
	c.log.Warn("broker's member of the metadata was removed", "broker", id)
	return nil
}

// MemberBrokers are the brokers that carry the metadata's etcd, as far as this
// broker's member knows.
func (c *Cluster) MemberBrokers() (ids []protocol.BrokerID) {
	s, ok := c.o.Store.(*etcd.Store)
	if !ok {
		return nil
	}
	for _, name := range s.MemberNames() {
		if id := memberBroker(name); id != protocol.NoBroker {
			ids = append(ids, id)
		}
	}
	return ids
}

// MemberURLs are where the voting members are; none, if that cannot be learnt.
func (c *Cluster) MemberURLs(ctx context.Context) (urls []string) {
	s, ok := c.o.Store.(*etcd.Store)
	if !ok {
		return nil
	}
	members, err := s.Members(ctx)
	if err != nil {
		return nil
	}
	for _, m := range members {
		if !m.Learner {
			urls = append(urls, m.URLs...)
		}
	}
	return urls
}

// KnowsBroker reports whether a broker is, or has been, one of the cluster.
func (c *Cluster) KnowsBroker(id protocol.BrokerID) bool {
	im := c.Image()
	return im.KnowsBroker(id) || replicasOn(im, id) > 0 || slices.Contains(c.MemberBrokers(), id)
}

// ReplaceMember makes way for a member of the embedded etcd that has lost its
// directory for good: it is removed and added anew, and may then start empty.
// It refuses while the member answers. What was begun and broke off is gone on with.
func (c *Cluster) ReplaceMember(ctx context.Context, name string) error {
	s, ok := c.o.Store.(*etcd.Store)
	if !ok || !s.Local() || s.Alone() {
		return fmt.Errorf("%w: this broker's etcd has no peers in other brokers", refusal.ErrInvalidRequest)
	}
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	err := s.ReplaceMember(ctx, name)
	for errors.Is(err, store.ErrUnavailable) && sleep(ctx, retryMin) {
		err = s.ReplaceMember(ctx, name) // it goes on with what was begun
	}
	if err == nil {
		err = c.freeID(ctx, memberBroker(name))
	}
	if err != nil {
		return fmt.Errorf("replace etcd member %s: %w", name, err)
	}
	c.log.Warn("etcd member was replaced: it may start with an empty directory", "member", name)
	return nil
}

// freeID lets another data directory have a broker's id.
func (c *Cluster) freeID(ctx context.Context, id protocol.BrokerID) error {
	return c.insist(ctx, func(ctx context.Context) error {
		_, _, err := c.o.Store.Txn(ctx, []store.Compare{store.Absent(c.keys.Broker(id))}, []store.Op{store.Delete(c.keys.Directory(id))})
		return err
	})
}
