// Package quota is what clients may use of a cluster: limits by user, by client id and
// by both, with Kafka's order of precedence (KIP-13, KIP-546), and the rates that are
// held against them. It is pure: the time is an argument.
//
//   - An [Entity] is whom a limit is for; a [Set] is all limits, immutable.
//   - [Set.Resolve] says which limit holds for a client, and whose rate counts against it.
//   - A [Rate] is what somebody used in the last seconds, and how long he is to wait.
//
// Invariants:
//
//   - Of the limits that are set for a client, the most particular one holds, alone.
//   - A client waits no longer than the window that its rate is measured in. Kafka's
//     throttle has no such bound.
package quota
