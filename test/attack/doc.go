// Package attack sends a broker what no client would: lengths that lie, bytes
// that stop, claims, floods and bombs, on raw sockets.
//
// Every test holds the broker to the same four things. It answers with the right
// Kafka error, or closes the connection and says one line about it. It never
// panics. Its memory stays within a bound that the test states. And a bystander,
// a stock client that produces and fetches all the while, loses nothing.
package attack
