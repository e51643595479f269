// Package broker is the Server that speaks Kafka, and HTTP, to everything
// below it. It is the one package that knows both Kafka's messages and all the
// parts: connections, one file per API, the partitions that this broker hosts,
// metrics and configuration into parts.
//
// Goroutines: a connection has a reader, which handles its requests in order,
// and, while there is an answer to send, a writer, which sends the answers in
// the same order as they become ready; Server.Run starts the readers, the listeners, the reconciler that opens and closes
// partitions as the Image says, the housekeeper and the HTTP server, and waits
// for all of them. A Produce does not hold the reader up: its answer is
// completed by the partitions' loops. Everything else is answered in the reader.
//
// Bytes of clients are bounded before they are held: a frame by its limit, all
// frames together by one budget, a connection's unanswered requests by number.
package broker
