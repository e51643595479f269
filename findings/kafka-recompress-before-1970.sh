#!/usr/bin/env bash
# A record with a time before 1970 is stored by Kafka, as long as its batch stays as it was sent. Where the topic's compression.type has
# the broker write the batch anew, its builder throws: the producer is told UNKNOWN_SERVER_ERROR, and can never write that record.
. "$(dirname "$0")/lib.sh"
expect "Apache Kafka $kafka_version, a record of 31 December 1969, into topics with compression.type=producer and zstd" \
  "both topics take it, or both refuse it with INVALID_TIMESTAMP"
go_module franz-go github.com/twmb/franz-go/pkg/kgo@v1.22.2
start_kafka
topic as-sent
topic by-zstd compression.type=zstd
cat >"$go_home/main.go" <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, topic := range []string{"as-sent", "by-zstd"} {
		cl, err := kgo.NewClient(kgo.SeedBrokers(os.Args[1]), kgo.ProducerBatchCompression(kgo.NoCompression()))
		if err != nil {
			panic(err)
		}
		for what, at := range map[string]time.Time{"now": time.Now(), "1969": time.UnixMilli(-3_600_000)} {
			err := cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("v"), Timestamp: at}).FirstErr()
			fmt.Printf("%s, %s: %v\n", topic, what, err)
		}
		cl.Close()
	}
}
GO
verdict "$(cd "$go_home" && go run . "$kafka" 2>&1)" '^as-sent, now: <nil>$' '^as-sent, 1969: <nil>$' '^by-zstd, now: <nil>$' '^by-zstd, 1969: UNKNOWN_SERVER_ERROR'
