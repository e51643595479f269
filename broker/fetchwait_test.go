package broker

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// asksFor is a fetch of t-0 from an offset on that waits for so many bytes.
func asksFor(offset int64, bytesMin int32) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = 25_000, bytesMin, 1<<20, -1
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.FetchOffset, rp.PartitionMaxBytes = offset, 1<<20
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.Partitions = "t", []kmsg.FetchRequestTopicPartition{rp}
	req.Topics = []kmsg.FetchRequestTopic{rt}
	return req
}

// TestFetchThatWaitsForManyBatchesIsAnsweredWithTheLast: it is woken when the
// log has grown by what it lacks, whatever moves came before, and long before
// its time is up.
func TestFetchThatWaitsForManyBatchesIsAnsweredWithTheLast(t *testing.T) {
	s, cl := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("t", 1)
	write(t, cl, "t", 0, 1)
	one := len(ask[*kmsg.FetchResponse](w, 11, asksFor(0, 1)).Topics[0].Partitions[0].RecordBatches)
	for next := int64(1); next < 60; next += 6 {
		began := time.Now()
		answered := make(chan *kmsg.FetchResponse, 1)
		go func() { answered <- ask[*kmsg.FetchResponse](w, 11, asksFor(next, int32(6*one-one/2))) }()
		for i := range int64(6) {
			write(t, cl, "t", 0, next+i)
		}
		got := (<-answered).Topics[0].Partitions[0]
		if len(got.RecordBatches) != 6*one || got.HighWatermark != next+6 {
			t.Fatalf("from %d on: %d bytes up to %d, want %d up to %d", next, len(got.RecordBatches), got.HighWatermark, 6*one, next+6)
		}
		if time.Since(began) > 20*time.Second {
			t.Fatal("it was answered because its time was up")
		}
	}
}

// TestFetchThatLacksBytesIsToldThatTheTopicIsGone, whatever it still waits for.
func TestFetchThatLacksBytesIsToldThatTheTopicIsGone(t *testing.T) {
	s, cl := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("t", 1)
	began := time.Now()
	answered := make(chan *kmsg.FetchResponse, 1)
	go func() { answered <- ask[*kmsg.FetchResponse](w, 11, asksFor(0, 1<<19)) }()
	write(t, cl, "t", 0, 1, 2, 3)
	ask[*kmsg.DeleteTopicsResponse](dial(t, s.Addr("")), 5, deleteTopicRequest("t"))
	code := (<-answered).Topics[0].Partitions[0].ErrorCode
	if code != kerr.UnknownTopicOrPartition.Code || time.Since(began) > 20*time.Second {
		t.Errorf("code %d after %s", code, time.Since(began))
	}
}
