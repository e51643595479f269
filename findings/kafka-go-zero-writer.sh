#!/usr/bin/env bash
# kafka-go's Writer without settings asks for no acknowledgement, which is unlike every other client. What the broker refuses
# is then reported as written; and since the broker can only hang up, records that come next are lost without a word, too.
. "$(dirname "$0")/lib.sh"
expect "github.com/segmentio/kafka-go v0.4.51, &kafka.Writer{Addr, Topic} with no other setting but a batch size of 1" \
  "WriteMessages returns an error for a record that the broker refuses, and what it returns nil for is in the log"
go_module kafka-go github.com/segmentio/kafka-go@v0.4.51
start_kafka
topic compacted cleanup.policy=compact
cat >"$go_home/main.go" <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/segmentio/kafka-go"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, acks := range []string{"none set", "RequireAll"} {
		w := &kafka.Writer{Addr: kafka.TCP(os.Args[1]), Topic: "compacted", BatchSize: 1}
		if acks == "RequireAll" {
			w.RequiredAcks = kafka.RequireAll
		}
		before := end(ctx)
		good := kafka.Message{Key: []byte("k"), Value: []byte("v")}
		first := w.WriteMessages(ctx, good)
		refused := w.WriteMessages(ctx, kafka.Message{Value: []byte("no key, which a compacted topic refuses")})
		next := w.WriteMessages(ctx, good)
		w.Close()
		time.Sleep(time.Second) // for what is on its way without an acknowledgement
		fmt.Printf("acks %s: good record %v, refused record %v, good record %v: of 2 good ones %d in the log\n", acks, first, refused, next, end(ctx)-before)
	}
}

func end(ctx context.Context) int64 {
	c, err := kafka.DialLeader(ctx, "tcp", os.Args[1], "compacted", 0)
	if err != nil {
		panic(err)
	}
	defer c.Close()
	o, err := c.ReadLastOffset()
	if err != nil {
		panic(err)
	}
	return o
}
GO
verdict "$(cd "$go_home" && go run . "$kafka" 2>&1)" \
  'acks none set: good record <nil>, refused record <nil>, good record <nil>: of 2 good ones 1 in the log' \
  'acks RequireAll: good record <nil>, refused record .*\[87\].*, good record <nil>: of 2 good ones 2 in the log'
