// Package etcd is the store of the metadata in etcd, outside ([Dial]) or in this
// process ([StartEmbedded]). It is the one door to etcd: nobody else imports it.
//
//   - [Store] keeps the contract of store.Store over a client, whose errors it sorts
//     into the contract's. Beyond the contract it tells its [Usage], forgets history
//     and reclaims space.
//   - [Embedded] is a member in this process: alone, without a port, or one of
//     several in as many brokers.
//
// Invariants:
//
//   - Every call is bounded, because etcd without a quorum would let it wait for ever.
//   - A transaction whose context has ended is not written.
//   - A member never comes back under its name with an empty directory: see join.go.
package etcd
