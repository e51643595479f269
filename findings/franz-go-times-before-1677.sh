#!/usr/bin/env bash
# A record's time is a number of milliseconds, 64 bits of them. franz-go makes nanoseconds of it on the way, in 64 bits as well: times
# before September 1677 and after April 2262 are other times when they are read.
. "$(dirname "$0")/lib.sh"
expect "github.com/twmb/franz-go v1.22.2, records of the years 1600, 1969 and 2026 in a log of Apache Kafka" \
  "kgo reads the times that are in the log"
go_module franz-go github.com/twmb/franz-go/pkg/kgo@v1.22.2 github.com/twmb/franz-go/pkg/kmsg@v1.15.0
start_kafka
topic t message.timestamp.after.max.ms=9223372036854775807
cat >"$go_home/main.go" <<'GO'
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// batch is one record of a time, encoded by kmsg.
func batch(ms int64) []byte {
	rec := (&kmsg.Record{Value: []byte("v")}).AppendTo(nil)[1:] // without its length, which is 0
	rec = append(binary.AppendVarint(nil, int64(len(rec))), rec...)
	b := kmsg.RecordBatch{PartitionLeaderEpoch: -1, Magic: 2, FirstTimestamp: ms, MaxTimestamp: ms, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: 1, Records: rec}
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	byName := kversion.Stable()
	byName.SetMaxKeyVersion(int16(kmsg.Produce), 12)
	cl, err := kgo.NewClient(kgo.SeedBrokers(os.Args[1]), kgo.MaxVersions(byName), kgo.ConsumeTopics("t"))
	if err != nil {
		panic(err)
	}
	var wrote []int64
	for _, year := range []int{1600, 1969, 2026} {
		ms := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
		req := kmsg.NewPtrProduceRequest()
		req.Acks, req.TimeoutMillis = -1, 10_000
		req.Topics = []kmsg.ProduceRequestTopic{{Topic: "t", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: batch(ms)}}}}
		resp, err := req.RequestWith(ctx, cl)
		if err != nil || resp.Topics[0].Partitions[0].ErrorCode != 0 {
			panic(fmt.Sprint(err, resp))
		}
		wrote = append(wrote, ms)
	}
	for read := 0; read < len(wrote) && ctx.Err() == nil; {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			fmt.Printf("wrote %d ms, read %d ms: %v\n", wrote[read], r.Timestamp.UnixMilli(), wrote[read] == r.Timestamp.UnixMilli())
			read++
		})
	}
}
GO
verdict "$(cd "$go_home" && go run . "$kafka" 2>&1)" '^wrote -11676096000000 ms, read .*: false$' '^wrote -31536000000 ms, read .*: true$' '^wrote 1767225600000 ms, read .*: true$'
