package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/broker/fetching"
	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

const fetchZstd = 10 // from this version readers know zstd (KIP-110)

// look finds out what there is of partitions.
func (f *clientFetch) look(parts []*fetching.Partition) {
	f.session.Look(parts, func(p *fetching.Partition, bytesMax int, first bool) {
		if p.Found.Code = f.deniedFetch(p.Key); p.Found.Code != 0 {
			return
		}
		if err := f.read(p, bytesMax, first); err != nil {
			p.Found.Code = f.code(p, err)
		}
	})
	f.prove()
}

// read reads one partition, up to the reader's bound.
func (f *clientFetch) read(p *fetching.Partition, bytesMax int, first bool) error {
	t := f.srv.topicOf(p.Key)
	host := t.Partition(p.Index)
	if err := f.srv.whyNotHere(t, p.Index, host); err != nil && (host == nil || host.Prefix == nil) {
		return err
	}
	switch {
	case f.replica:
		return kerr.NotLeaderForPartition
	case f.version < fetchZstd && t.WritesZstd():
		return kerr.UnsupportedCompressionType
	case host.Prefix != nil:
		return readPrefix(p, host, bytesMax, first)
	}
	p.At(host.Partition)
	if err := host.Damage(); err != nil {
		return err
	}
	if err := checkEpoch(host, p.LeaderEpoch); err != nil {
		return err
	}
	st := host.State()
	if err := mayRead(st, f.version); err != nil {
		return err
	}
	log := fetching.Log{Partition: host}
	p.Found.At(log)
	switch {
	case p.Offset > host.End() && st.Role == replica.RoleFollower:
		return kerr.OffsetNotAvailable // the leader may have it
	case p.Offset < p.Found.LogStart || p.Offset > host.End():
		if err := f.absent(p, host, st); err != nil {
			return err
		}
		return kerr.OffsetOutOfRange
	}
	if p.LastEpoch >= 0 {
		if err := f.compare(p, host, st); err != nil || p.Found.Diverging != nil {
			return err
		}
	}
	if p.Found.Preferred = f.preferred(st); p.Found.Preferred != protocol.NoBroker {
		return nil
	}
	return p.Read(log, bytesMax, first)
}

// compare looks whether the log holds what the client has read last.
func (f *clientFetch) compare(p *fetching.Partition, host *partitions.Partition, st *replica.State) error {
	log, last := host.Log(), protocol.LeaderEpoch(p.LastEpoch)
	epoch, end := log.LatestEpoch(), log.End()
	if last <= epoch {
		epoch, end = log.EpochEnd(last)
	}
	if end < p.Offset {
		past, err := host.PastEmpty(end)
		if err != nil {
			return err
		}
		end = past
	}
	if epoch == last && end >= p.Offset {
		return nil
	}
	if st.Role != replica.RoleLeader || last > st.Epoch {
		if err := f.absent(p, host, st); err != nil {
			return err
		}
	}
	p.Found.Diverging = &fetching.Divergence{Epoch: epoch, End: end}
	return nil
}

// readPrefix is read for a damaged log, up to the damage: see prefix.go.
func readPrefix(p *fetching.Partition, host *partitions.Partition, bytesMax int, first bool) error {
	log := prefixLog{host.Prefix, host.Transactions}
	p.Found.At(log)
	switch {
	case p.Offset < p.Found.LogStart:
		return kerr.OffsetOutOfRange
	case p.Offset > p.Found.HighWatermark:
		return fmt.Errorf("%w: %w", kerr.KafkaStorageError, host.Broken)
	}
	return p.Read(log, bytesMax, first)
}

// unprovenFetch is a partition whose answer says that something is not in the log:
// it needs a proof that the partition is led here in this epoch.
type unprovenFetch struct {
	p     *fetching.Partition
	host  *partitions.Partition
	epoch protocol.LeaderEpoch
}

// absent notes that the answer for a partition says that something is not in its
// log. A follower cannot tell: the leader may have it.
func (f *clientFetch) absent(p *fetching.Partition, host *partitions.Partition, st *replica.State) error {
	if st.Role != replica.RoleLeader || st.SteppedAside {
		return replica.ErrNotLeader
	}
	f.unproven = append(f.unproven, unprovenFetch{p, host, st.Epoch})
	return nil
}

// prove waits until it is known of each answer about an absence whether it may be
// given. All proofs are asked for at once, so that they take no longer than one.
func (f *clientFetch) prove() {
	if len(f.unproven) == 0 {
		return
	}
	proofs := make([]partitions.LeadershipProof, len(f.unproven))
	for i, u := range f.unproven {
		proofs[i] = u.host.ProveLeadership(u.epoch)
	}
	for i, u := range f.unproven {
		if err := proofs[i].Wait(); err != nil {
			u.p.Found.Code, u.p.Found.Diverging = codeOf(err), nil
		}
	}
	f.unproven = nil
}
