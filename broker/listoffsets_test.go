package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// at asks for one timestamp of partition 0.
func (w *wire) at(version int16, topic string, timestamp int64) kmsg.ListOffsetsResponseTopicPartition {
	w.t.Helper()
	return ask[*kmsg.ListOffsetsResponse](w, version, listOffsetsRequest(topic, timestamp)).Topics[0].Partitions[0]
}

func TestListOffsetsFindsPlacesAndTimes(t *testing.T) {
	s, cl := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("a", 1)
	write(t, cl, "a", 0, 1000, 3000, 2000, 4000, 4000)
	ask[*kmsg.DeleteRecordsResponse](w, 2, deleteRecordsRequest("a", 1))
	for _, c := range []struct {
		timestamp, offset, at int64
		epoch                 int32
	}{
		{timeLatest, 5, -1, 0},
		{timeEarliest, 1, -1, 0},
		{timeEarliestLocal, 1, -1, 0},
		{timeLatestTiered, -1, -1, -1},
		{timeMax, 3, 4000, 0},
		{0, 1, 3000, 0},
		{2000, 1, 3000, 0}, // the first whose time is not before, not the one whose time is nearest
		{3001, 3, 4000, 0},
		{4001, -1, -1, -1},
	} {
		got := w.at(10, "a", c.timestamp)
		if got.ErrorCode != 0 || got.Offset != c.offset || got.Timestamp != c.at || got.LeaderEpoch != c.epoch {
			t.Errorf("%d: offset %d at %d, epoch %d, code %d; want %d at %d, epoch %d",
				c.timestamp, got.Offset, got.Timestamp, got.LeaderEpoch, got.ErrorCode, c.offset, c.at, c.epoch)
		}
	}
}

// A place that the version does not know must not be taken for a time.
func TestListOffsetsRefusesPlacesOfLaterVersions(t *testing.T) {
	s, cl := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("a", 1)
	write(t, cl, "a", 0, 1000)
	for timestamp, since := range map[int64]int16{timeMax: 7, timeEarliestLocal: 8, timeLatestTiered: 9, -6: 11, -100: 11} {
		for version := int16(1); version <= 10; version++ {
			want := int16(0)
			if version < since {
				want = kerr.UnsupportedVersion.Code
			}
			if got := w.at(version, "a", timestamp); got.ErrorCode != want {
				t.Errorf("v%d asks for %d: code %d, want %d", version, timestamp, got.ErrorCode, want)
			}
		}
	}
}

func TestListOffsetsOfAnEmptyPartition(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("a", 1)
	for timestamp, want := range map[int64]int64{timeLatest: 0, timeEarliest: 0, timeMax: -1, 0: -1} {
		got := w.at(8, "a", timestamp)
		if got.ErrorCode != 0 || got.Offset != want || got.Timestamp != -1 || (got.LeaderEpoch >= 0) != (want >= 0) {
			t.Errorf("%d: %+v, want offset %d", timestamp, got, want)
		}
	}
}

func TestListOffsetsRefusals(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("a", 2)
	if got := w.at(7, "nobody", timeLatest); got.ErrorCode != kerr.UnknownTopicOrPartition.Code || got.Offset != -1 {
		t.Errorf("unknown topic: %+v", got)
	}
	twice := listOffsetsRequest("a", timeLatest, timeEarliest, timeLatest)
	twice.Topics[0].Partitions[2].Partition = 1
	got := ask[*kmsg.ListOffsetsResponse](w, 7, twice).Topics[0].Partitions
	for i, want := range []int16{kerr.InvalidRequest.Code, kerr.InvalidRequest.Code, 0} {
		if got[i].ErrorCode != want {
			t.Errorf("partition 0 named twice, entry %d: code %d, want %d", i, got[i].ErrorCode, want)
		}
	}
	epoch := int32(s.hosted.Topic("a").Partition(0).Epoch())
	for claimed, want := range map[int32]int16{
		-1: 0, epoch: 0, epoch + 1: kerr.UnknownLeaderEpoch.Code,
	} {
		req := listOffsetsRequest("a", timeLatest)
		req.Topics[0].Partitions[0].CurrentLeaderEpoch = claimed
		if got := ask[*kmsg.ListOffsetsResponse](w, 4, req).Topics[0].Partitions[0]; got.ErrorCode != want {
			t.Errorf("a client at epoch %d of %d gets code %d, want %d", claimed, epoch, got.ErrorCode, want)
		}
	}
}

func TestLeaderEpochsEndWhereTheLogSays(t *testing.T) {
	s, cl := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("empty", 1)
	w.createTopic("a", 1)
	write(t, cl, "a", 0, 1, 2, 3)
	for _, c := range []struct {
		topic      string
		asked      int32
		epoch, end int64
	}{
		{"a", 0, 0, 3}, {"a", 1, -1, -1}, {"a", -1, -1, -1}, {"empty", 0, 0, 0}, {"empty", 1, -1, -1},
	} {
		got := ask[*kmsg.OffsetForLeaderEpochResponse](w, 4, leaderEpochRequest(c.topic, c.asked)).Topics[0].Partitions[0]
		if got.ErrorCode != 0 || int64(got.LeaderEpoch) != c.epoch || got.EndOffset != c.end {
			t.Errorf("%s, epoch %d: epoch %d ends at %d, code %d", c.topic, c.asked, got.LeaderEpoch, got.EndOffset, got.ErrorCode)
		}
	}
	req := leaderEpochRequest("a", 0)
	req.Topics[0].Partitions[0].CurrentLeaderEpoch = 7
	if got := ask[*kmsg.OffsetForLeaderEpochResponse](w, 3, req).Topics[0].Partitions[0]; got.ErrorCode != kerr.UnknownLeaderEpoch.Code || got.EndOffset != -1 {
		t.Errorf("a client that is ahead: %+v", got)
	}
	got := ask[*kmsg.OffsetForLeaderEpochResponse](w, 3, leaderEpochRequest("nobody", 0)).Topics[0].Partitions[0]
	if got.ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("unknown topic: code %d", got.ErrorCode)
	}
}
