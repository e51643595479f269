package attack

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol/record"
)

func produceRequest(topic string, acks int16, batches ...[]byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = acks, 10_000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = topic
	for _, b := range batches {
		rp := kmsg.NewProduceRequestTopicPartition()
		rp.Records = b
		rt.Partitions = append(rt.Partitions, rp)
	}
	req.Topics = append(req.Topics, rt)
	return req
}

// produce sends one batch to partition 0 and returns the partition's answer.
func (s *socket) produce(topic string, batch []byte) kmsg.ProduceResponseTopicPartition {
	s.t.Helper()
	resp := ask[*kmsg.ProduceResponse](s, produceRequest(topic, -1, batch), 9)
	return resp.Topics[0].Partitions[0]
}

func partitionOf(topic string, offset int64) kmsg.FetchRequestTopic {
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.FetchOffset, rp.PartitionMaxBytes, rp.CurrentLeaderEpoch = offset, 1<<20, -1
	rt.Partitions = append(rt.Partitions, rp)
	return rt
}

func fetchRequest(topics ...kmsg.FetchRequestTopic) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID, req.MaxWaitMillis, req.MinBytes, req.MaxBytes = -1, 100, 1, 50<<20
	req.SessionEpoch = -1
	req.Topics = topics
	return req
}

// topic creates a topic of one partition and waits until it is there.
func (v *victim) topic(name string) {
	v.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, 1, -1
	req.Topics = append(req.Topics, rt)
	if code := ask[*kmsg.CreateTopicsResponse](v.dial(), req, 7).Topics[0].ErrorCode; code != 0 {
		v.t.Fatalf("create %s: code %d", name, code)
	}
}

// batchOf is a well-formed batch.
func batchOf(t testing.TB, recs ...record.Record) []byte {
	t.Helper()
	return compressedOf(t, record.CodecNone, recs...)
}

func compressedOf(t testing.TB, codec record.Codec, recs ...record.Record) []byte {
	t.Helper()
	b := record.NewBuilder(codec)
	for _, r := range recs {
		b.Add(r)
	}
	out, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Where the fields of a batch's header lie.
const (
	atBaseOffset      = 0
	atLength          = 8
	atMagic           = 16
	atCRC             = 17
	atAttributes      = 21
	atLastOffsetDelta = 23
	atFirstTimestamp  = 27
	atMaxTimestamp    = 35
	atProducerID      = 43
	atProducerEpoch   = 51
	atBaseSequence    = 53
	atCount           = 57
	atRecords         = 61
)

// sealed gives a batch the length and the checksum that its bytes call for.
func sealed(b []byte) []byte {
	binary.BigEndian.PutUint32(b[atLength:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[atCRC:], crc32.Checksum(b[atAttributes:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func put16(b []byte, at int, v int16) { binary.BigEndian.PutUint16(b[at:], uint16(v)) }
func put32(b []byte, at int, v int32) { binary.BigEndian.PutUint32(b[at:], uint32(v)) }
func put64(b []byte, at int, v int64) { binary.BigEndian.PutUint64(b[at:], uint64(v)) }
