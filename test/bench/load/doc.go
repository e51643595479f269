// Package load drives a Kafka-protocol server and measures it from outside.
//
// Produce and Consume speak on the raw wire: a Produce request is encoded once
// and the same bytes are sent again and again, a Fetch answer is walked from
// batch header to batch header and thrown away, so that the client costs little
// beside the server. StockProduce and StockConsume do the same work by a stock
// franz-go client, as a user would, and then the client is most of the cost.
//
// # Conditional appends
//
// A conditional record carries lock-write with its locks and one lock-basis.
// Bytes repeated unchanged would be refused, rightly: their locks were written
// by the first of them. So each of a connection's in-flight slots owns its lock
// names, and before a slot's request is sent again its basis is patched, in
// digits of fixed width, to the last offset of the slot's previous answer, and
// the CRC is computed anew. That answer is newer than any write of these locks
// and is below the high watermark, so each lock is truly checked against a
// basis and truly admitted. Names go round over Shape.Live live locks, so that
// the server's table does not sit in a cache. All this is the client's cost.
//
// # Latency
//
// The closed loop keeps InFlight requests outstanding on each connection and
// takes the latency of a request from its own write to its answer. A stalled
// server then slows the loop and hides the requests that would have waited
// (coordinated omission), so its percentiles describe that concurrency only.
// With Rate, requests have a schedule that no answer can delay, and latency
// counts from the scheduled time, lateness of the client's timer included.
//
// Every Run owns its goroutines and connections, and returns when they ended.
package load
