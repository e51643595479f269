// Package broker is the Server that speaks Kafka to everything below it. It is
// the one package that knows both Kafka's messages and all the parts: one file per
// API, and the configuration of them all. Connections are package transport's,
// which calls the handlers.
//
// Goroutines: Server.Run starts the listeners, the reconciler that opens and
// closes partitions as the Image says, the housekeeper and the HTTP server, and
// waits for all of them. A Produce does not hold its connection's reader up: its
// answer is completed by the partitions' loops. Everything else is answered in
// the reader.
package broker
