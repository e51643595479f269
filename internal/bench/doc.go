// Package bench is the command bench: it measures throughput and latency of a running
// cluster. The project's own measurements, which start their brokers, are in test/bench.
package bench
