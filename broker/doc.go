// Package broker is the Server that speaks Kafka, and HTTP, to everything
// below it. It is the one package that knows both Kafka's messages and all the
// parts: one file per API, the partitions that this broker hosts, metrics, and
// the configuration of all. Connections are package transport's, which calls
// the handlers.
//
// Goroutines: Server.Run starts the listeners, the reconciler that opens and
// closes partitions as the Image says, the housekeeper and the HTTP server, and
// waits for all of them. A Produce does not hold its connection's reader up: its
// answer is completed by the partitions' loops. Everything else is answered in
// the reader.
package broker
