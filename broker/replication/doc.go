// Package replication is how brokers copy partitions from each other: the follower's
// fetchers, which fetch from each leader on one connection for all partitions; the
// leader's sessions, which answer them; and what brokers notice of each other's death
// on the way.
//
// It is not the rules of replication (package replica): it carries a replica's
// fetches to its leader, and the answers back. What is on the wire is Kafka's Fetch
// with one tagged field more, see docs/protocol.md. It stands on connections (package
// transport), hosted partitions and the layout of an answer (package fetching).
//
//	Peers     connects to other brokers, asks them, and has the dead fenced
//	Caller    asks them on connections that stay, for what is asked often
//	Fetchers  the follower's side: a fetcher for each other broker
//	Sessions  the leader's side: what the sessions of all followers share
//	Session   one follower's connection
//
// Invariants: each fetch of a replica is answered once, or another takes its place;
// bytes that were fetched and not appended yet are bounded for each leader; an answer
// with records is completed only if its partitions were led in the epoch of the fetch
// until its last byte; a broker is fenced only if it was reached in that broker epoch.
//
// Run of Peers and Fetchers is a loop of its own, started and waited for by whoever
// made it. Sessions.Handle and Session.Close are called by the connection's reader. All
// else may be called from any goroutine.
package replication
