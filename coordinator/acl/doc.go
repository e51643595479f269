// Package acl decides who may do what: Kafka's ACLs with the semantics of its
// StandardAuthorizer, as plain values without goroutine, lock of their own, clock or I/O.
// It knows no request, no connection and nothing of how a principal was authenticated.
//
//   - A [Rule] allows or denies a principal, from a host, an operation on the resources
//     that a pattern matches. Kafka calls it an ACL binding.
//   - A [Set] is all rules, indexed, immutable and shared: an [Edit] makes the next one
//     and copies only what it touches.
//   - An [Access] is what one principal on one host may do, by one Set and one [Policy].
//     It remembers what it was asked, so that a repeated question costs one look-up,
//     however many rules there are.
//   - A [Filter] chooses rules, as DescribeAcls and DeleteAcls do.
//
// Invariants:
//
//   - A deny that matches wins over every allow, whatever the patterns.
//   - Super users stand above all rules.
//   - What no rule allows is denied; the Policy may allow what no rule speaks of.
//   - A lock that no rule speaks of may be written by whoever may write the topic: rules
//     on locks ([TypeLock]) take away, and Kafka's tools see none of them.
package acl
