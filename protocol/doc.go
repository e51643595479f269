// Package protocol holds the words that everything else is said in: typed
// numbers, Kafka framing and request headers, the one table of API versions,
// the proof of a request's shape, the grammar of lock headers and the grammar
// of refusals. It does no I/O beyond an io.Reader handed to it, keeps no
// state, and knows nothing of logs, locks' histories or brokers.
package protocol
