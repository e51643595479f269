// Package group is the group coordinator: it decides who is a member of which
// consumer group, in which generation, with which assignment, and keeps the
// offsets that groups have committed.
//
// It speaks the classic protocol (JoinGroup, SyncGroup, Heartbeat, LeaveGroup)
// with static members (KIP-345), required member ids (KIP-394) and the initial
// delay of a first rebalance (KIP-134). The members choose their assignors; the
// bytes of subscriptions and assignments pass through unread, but for the names
// of the topics that a consumer subscribes to.
//
// It speaks the consumer protocol (KIP-848) too: there the coordinator assigns,
// and leads each member to its part by its heartbeats; see modern.go. A group
// changes from one protocol to the other while it runs, and in between has
// members of both; see convert.go and classicmember.go.
//
// A [Coordinator] is a pure fold over one partition of __consumer_offsets: a
// command changes the state at once and yields [Effects], the records that make
// the change durable and the replies that it completes. Whoever drives it
// appends the records in order and sends what depends on them when they are
// committed. If an append fails, the state has run ahead of the log: the driver
// drops the Coordinator and folds the log again with Replay.
//
// What is durable: a group's generation, protocol, members and assignment as of
// its last completed rebalance, and its offsets. What is not: who is joining,
// and when sessions end. A new coordinator takes members for live until a whole
// session has passed, so that a failover does not shake a stable group.
//
// There is no goroutine, clock or I/O here: now is an argument in milliseconds,
// and NextDeadline says when Tick wants to be called. One owner at a time.
package group
