package broker

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/broker/replication"
	"github.com/lockstep-log/lockstep/broker/security"
	"github.com/lockstep-log/lockstep/coordinator/store/etcd"
)

// How the metadata store of a broker is found when it starts:
//
//	--etcd                          an outside one
//	it has run as a member          its directory says who the others are
//	it has run as a client          its note says where the members are
//	--join, and neither             it asks the cluster to let it in, as one or the other
//	--etcd-peers                    a member of a cluster that is made by all of these
//	none of them                    a member alone
//
// What a broker has become is in its directory before the cluster has added it, so that
// one which is killed on the way goes on where it was, by the same --join.

const (
	// joinPatience is how long a broker tries to be let in by a cluster that does not answer.
	joinPatience = 20 * time.Second
	joinPause    = 500 * time.Millisecond
	// joinTimeout is for the cluster to let a broker in.
	joinTimeout = 30 * time.Second
	// joinDialTimeout bounds a connection to the broker that is asked.
	joinDialTimeout = 3 * time.Second
	// clientNoteFile is where the members are, of a broker that is their client.
	clientNoteFile = "metadata-clients.json"
	// clientNoteEvery is how often it is looked whether they have moved.
	clientNoteEvery = 10 * time.Second
)

// clientNote is what a client keeps of the members.
type clientNote struct {
	Members []string `json:"members"` // their peer URLs
}

// etcdTLS is how etcd is reached.
func (s *Server) etcdTLS() etcd.TLSFiles { return etcd.TLSFiles(s.cfg.EtcdTLS) }

func (s *Server) etcdDir() string { return filepath.Join(s.cfg.DataDir, "etcd") }

// openInBrokers opens the store that brokers carry.
func (s *Server) openInBrokers(ctx context.Context, cs *closers) error {
	note, err := s.readClientNote()
	switch {
	case err != nil:
		return err
	case etcd.HasRun(s.etcdDir()):
		if err := s.checkJoined(ctx); err != nil {
			return err
		}
		return s.openMember(ctx, cs, etcd.EmbeddedOptions{})
	case len(note.Members) > 0:
		if err := s.checkJoined(ctx); err != nil {
			return err
		}
		return s.openClient(cs, note.Members)
	case s.cfg.Join != "":
		return s.join(ctx, cs)
	}
	return s.openMember(ctx, cs, etcd.EmbeddedOptions{})
}

// checkJoined refuses a directory that is in another cluster than the one to join. One
// that does not answer is no reason: a broker that is in needs nobody there to start.
func (s *Server) checkJoined(ctx context.Context) error {
	if s.cfg.Join == "" || s.identity.Cluster == partitions.UnknownClusterID {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, joinDialTimeout)
	defer cancel()
	answer, err := s.askAt(ctx, s.cfg.Join, kmsg.NewPtrDescribeClusterRequest())
	if err != nil {
		return nil
	}
	if there, ok := answer.(*kmsg.DescribeClusterResponse); ok && there.ErrorCode == 0 && there.ClusterID != s.identity.Cluster {
		return fmt.Errorf("%w: %s belongs to node %d of cluster %s, and at %s is cluster %s; give this broker a data directory of its own",
			partitions.ErrForeignDirectory, s.cfg.DataDir, s.identity.Node, s.identity.Cluster, s.cfg.Join, there.ClusterID)
	}
	return nil
}

// openMember starts this broker's own member.
func (s *Server) openMember(ctx context.Context, cs *closers, o etcd.EmbeddedOptions) error {
	o.Dir, o.Name, o.Logger, o.TLS = s.etcdDir(), strconv.Itoa(int(s.cfg.NodeID)), s.log, s.etcdTLS()
	if len(s.cfg.EtcdPeers) > 0 {
		o.Peers = make(map[string]string, len(s.cfg.EtcdPeers))
		for id, url := range s.cfg.EtcdPeers {
			o.Peers[strconv.Itoa(int(id))] = url
		}
	} else if o.Port == nil && s.cfg.EtcdListen != "" && etcd.HasPort(o.Dir) {
		port, err := etcd.OpenPort(s.portOptions()) // it may have moved
		if err != nil {
			return err
		}
		o.Port = port
	}
	s.warnOfPlainMetadata()
	slow := time.AfterFunc(quorumPatience, func() {
		s.log.Warn("waiting for more brokers: the embedded etcd has no quorum yet", "peers", o.Peers)
	})
	defer slow.Stop()
	e, err := etcd.StartEmbedded(ctx, o)
	if err != nil {
		return fmt.Errorf("start embedded etcd: %w", err)
	}
	cs.add(e)
	s.store = e.Store()
	return nil
}

// warnOfPlainMetadata says that the metadata is open to whoever reaches its port, where
// the listeners are not. A member alone opens none.
func (s *Server) warnOfPlainMetadata() {
	secured := slices.ContainsFunc(s.cfg.Listeners, func(l Listener) bool { return l.Protocol != security.Plaintext })
	company := len(s.cfg.EtcdPeers) > 1 || s.cfg.Join != "" || s.cfg.EtcdListen != ""
	if secured && company && !s.etcdTLS().Set() {
		s.log.Warn("the metadata of this broker is reached in plain text, and without authentication, by the port of its etcd member; " +
			"set etcd-cert, etcd-key and etcd-ca, or let only brokers reach it")
	}
}

// openClient makes this broker a client of the members in others.
func (s *Server) openClient(cs *closers, members []string) error {
	client, err := etcd.DialBrokers(members, s.etcdTLS())
	if err != nil {
		return fmt.Errorf("reach the metadata at %v: %w", members, err)
	}
	cs.add(client)
	s.store = client
	return nil
}

// join asks the cluster to let this broker in, and opens the store as it was told to.
func (s *Server) join(ctx context.Context, cs *closers) error {
	port, err := etcd.OpenPort(s.portOptions())
	if err != nil {
		return fmt.Errorf("join the cluster at %s: %w", s.cfg.Join, err)
	}
	self := etcd.ThisVersion()
	self.Node, self.Directory, self.Cluster, self.Version = int32(s.cfg.NodeID), s.identity.Directory, s.identity.Cluster, s.cfg.Version
	waiting := port.WaitToJoin(self, time.Now)
	if err := s.askToJoin(ctx, port.URL()); err != nil {
		return errors.Join(fmt.Errorf("join the cluster at %s: %w", s.cfg.Join, err), port.Close())
	}
	told := waiting.Told()
	s.log.Info("the cluster has let this broker in", "as", told.Role, "members", told.Peers, "own", port.URL())
	if told.Role == etcd.RoleMember {
		return s.openMember(ctx, cs, etcd.EmbeddedOptions{Port: port, Join: told.Peers})
	}
	err = errors.Join(port.Close(), etcd.ForgetPort(s.etcdDir()), s.writeClientNote(clientNote{Members: told.Peers}))
	if err != nil {
		return err
	}
	return s.openClient(cs, told.Peers)
}

// askToJoin asks until the cluster answers.
func (s *Server) askToJoin(ctx context.Context, own string) error {
	ctx, cancel := context.WithTimeout(ctx, joinPatience+joinTimeout)
	defer cancel()
	req, err := s.joinRequest(own)
	if err != nil {
		return err
	}
	for until := time.Now().Add(joinPatience); ; {
		response, err := s.askAt(ctx, s.cfg.Join, req)
		if answer, ok := response.(*kmsg.AddRaftVoterResponse); err == nil && ok {
			if answer.ErrorCode == 0 {
				return nil
			}
			err = errors.New(refusalText(answer))
			if !kerr.IsRetriable(kerr.ErrorForCode(answer.ErrorCode)) {
				return err
			}
		}
		if time.Now().After(until) || !pause(ctx, joinPause) {
			return fmt.Errorf("no broker there lets this one in: %w", err)
		}
	}
}

// pause reports false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// refusalText is what the cluster said, in its own words.
func refusalText(answer *kmsg.AddRaftVoterResponse) string {
	if answer.ErrorMessage != nil {
		return *answer.ErrorMessage
	}
	return kerr.ErrorForCode(answer.ErrorCode).Error()
}

func (s *Server) joinRequest(own string) (*kmsg.AddRaftVoterRequest, error) {
	at, err := url.Parse(own)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(at.Port(), 10, 16)
	if err != nil {
		return nil, err
	}
	directory, err := base64.RawURLEncoding.DecodeString(s.identity.Directory)
	if err != nil {
		return nil, err
	}
	req := kmsg.NewPtrAddRaftVoterRequest()
	req.Version = 1
	req.VoterID, req.TimeoutMillis = int32(s.cfg.NodeID), int32(joinTimeout.Milliseconds())
	copy(req.VoterDirectoryID[:], directory)
	if s.identity.Cluster != "" {
		req.ClusterID = &s.identity.Cluster
	}
	l := kmsg.NewAddRaftVoterRequestListener()
	l.Name, l.Host, l.Port = peerListener, at.Hostname(), uint16(port)
	req.Listeners = append(req.Listeners, l)
	return req, nil
}

// askAt asks a broker of which only the address is known. It speaks what this broker's
// own inter-broker listener does.
func (s *Server) askAt(ctx context.Context, addr string, req kmsg.Request) (kmsg.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: joinDialTimeout}
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { nc.Close() })()
	secured, err := s.securePeer(ctx, nc, host)
	if err != nil {
		return nil, err
	}
	return replication.AskOn(secured, "lockstep-broker-joins", req)
}

func (s *Server) clientNotePath() string { return filepath.Join(s.cfg.DataDir, clientNoteFile) }

func (s *Server) readClientNote() (n clientNote, err error) {
	text, err := os.ReadFile(s.clientNotePath())
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &n)
	}
	if err != nil {
		return n, fmt.Errorf("read %s: %w", s.clientNotePath(), err)
	}
	return n, nil
}

func (s *Server) writeClientNote(n clientNote) error {
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return etcd.ReplaceFile(s.clientNotePath(), text)
}

// keepClientNote notes where the members are, of whom this broker is a client, until
// ctx ends: it finds them at its next start by that.
func (s *Server) keepClientNote(ctx context.Context) error {
	before, err := s.readClientNote()
	if err != nil || len(before.Members) == 0 {
		return err
	}
	tick := time.NewTicker(clientNoteEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := clientNote{Members: s.cluster.MemberURLs(ctx)}
		if len(now.Members) == 0 || fmt.Sprint(now) == fmt.Sprint(before) {
			continue
		}
		if err := s.writeClientNote(now); err != nil {
			s.log.Warn("where the members of the metadata are could not be noted", "error", err)
			continue
		}
		before = now
	}
}
