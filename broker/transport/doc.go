// Package transport is a broker's side of its connections: listeners, frames and
// the memory that they take, the order of requests and of their answers, sockets.
// It reads a request's length and header and nothing of its body: what a request
// means is its Handler's.
//
// A SocketServer accepts connections on its Listeners. A Conn is one of them, and
// an Exchange is one request on it with the answer to it.
//
// Goroutines: a connection has a reader, which reads and hands over its requests
// in order, and, while there is an answer to send, a writer, which sends the
// answers in the same order as they become ready. Where nothing waits to be read
// the reader sends the answer itself. SocketServer.Serve waits for all of them.
//
// What is bounded: a frame by Options.RequestBytesMax, all frames together by one
// Budget, the unanswered requests of a connection by number, connections by
// Options.ConnectionsMax. Memory follows the bytes that have come, not those that
// were promised.
//
// Nothing here knows a Kafka message, a partition or a metric's name.
package transport
