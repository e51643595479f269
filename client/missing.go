package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var (
	// errTruncated: what was read is not in the log.
	errTruncated = errors.New("the partition's log does not hold what was read of it")
	// errTopicReplaced: what was read is another topic's.
	errTopicReplaced = errors.New("the topic was deleted and made again")
)

// confirmMissing decides what becomes of a feed that was told that its position is not in
// the log. Who told it is not believed: it may be a leader that was deposed, or
// have been one when it answered. The leader of the newest epoch that is known is
// asked, where the epoch of what was read last ends, and where the log begins; only
// when it confirms that what was read, or what comes next, is not there does the
// feed end, with the first error. After the second one, if any, it goes on.
func (f *feed) confirmMissing(take consumeFunc) (ended, err error) {
	// An older leader than one that was heard of would be the deposed one again.
	l, err := f.findLeader()
	if err == nil && l.epoch < f.epochs.epoch() {
		err = errStaleLeader
	}
	if err != nil {
		return nil, err
	}
	f.leader = l
	end, err := f.endOfEpoch(l)
	if err != nil {
		return nil, err
	}
	start, err := f.offsetOf(f.ctx, l, timeEarliest)
	switch {
	case err != nil:
		return nil, err
		// What comes next was removed by retention: a feed that allows it goes on at the new start.
	case start > f.next.offset:
		return f.logCut(start, take), nil
		// The leader has what was read: whoever denied it was wrong, and is asked no more.
	case end.offset >= f.next.offset && (f.next.epoch < 0 || end.epoch == f.next.epoch):
		return nil, errNotMissing
	}
	const text = "%w: %s-%d was read up to offset %d, in leader epoch %d; broker %d, which leads in epoch %d, " +
		"has epoch %d up to offset %d"
	return fmt.Errorf(text, errTruncated, f.at.topic, f.at.partition, f.next.offset-1, f.next.epoch,
		l.broker, l.epoch, end.epoch, end.offset-1), nil
}

// errNotMissing: a broker said that something is not in the log which is.
var errNotMissing = fmt.Errorf("%w: it lacked what is in the log", kerr.NotLeaderForPartition)

// logCut decides what becomes of a feed whose next record was removed. What was
// removed counts as read where that was allowed, and then only for a fold that
// has read nothing: any other's state would have a gap.
func (f *feed) logCut(start int64, take consumeFunc) (err error) {
	switch {
	case f.removed != nil:
		return f.removed(start)
	case f.next.offset > 0:
		return fmt.Errorf("%w: %s-%d starts at offset %d, and the state reaches to %d; it has to be made anew",
			ErrLogCut, f.at.topic, f.at.partition, start, f.next.offset-1)
	case !f.allowCut:
		return fmt.Errorf("%w: %s-%d starts at offset %d; begin from a snapshot, or AllowCut if what is left is all "+
			"that matters (a topic with retention.ms=-1 keeps its records)", ErrLogCut, f.at.topic, f.at.partition, start)
	default:
		f.next, err = take(nil, position{start, -1})
		return err
	}
}

// endOfEpoch asks a leader where the epoch ends that was read last, or, if that is
// not known, its own.
func (f *feed) endOfEpoch(l leadership) (position, error) {
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID = -1
	rp := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	rp.Partition, rp.CurrentLeaderEpoch, rp.LeaderEpoch = f.at.partition, l.epoch, l.epoch
	if f.next.epoch >= 0 {
		rp.LeaderEpoch = f.next.epoch
	}
	rt := kmsg.NewOffsetForLeaderEpochRequestTopic()
	rt.Topic, rt.Partitions = f.at.topic, []kmsg.OffsetForLeaderEpochRequestTopicPartition{rp}
	req.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{rt}
	resp, err := f.own.cl.Broker(int(l.broker)).Request(f.ctx, req)
	if err != nil {
		return position{}, err
	}
	got := resp.(*kmsg.OffsetForLeaderEpochResponse)
	if len(got.Topics) != 1 || len(got.Topics[0].Partitions) != 1 {
		return position{}, errNoPartition
	}
	p := &got.Topics[0].Partitions[0]
	return position{p.EndOffset, p.LeaderEpoch}, errorOf(p.ErrorCode)
}

// topicIdentity is the topic that a feed reads, of those that have its name.
type topicIdentity struct {
	id    [16]byte  // zero: it was not told yet
	other time.Time // since when brokers have named no other than another; zero: they do not
}

// replacedAfter is how long every broker that is asked must name another topic. One
// that lags behind may name one that is gone.
const replacedAfter = 5 * time.Second

// errOtherTopic: whoever was asked has another topic of that name.
var errOtherTopic = fmt.Errorf("%w: the broker that was asked has another topic of that name", kerr.LeaderNotAvailable)

// check compares the id that a broker has named.
func (t *topicIdentity) check(id [16]byte) error {
	if !another(id, t.id) {
		t.other = time.Time{}
		if id != [16]byte{} {
			t.id = id
		}
		return nil
	}
	if t.other.IsZero() {
		t.other = time.Now()
	}
	if time.Since(t.other) < replacedAfter {
		return errOtherTopic
	}
	return errTopicReplaced
}
