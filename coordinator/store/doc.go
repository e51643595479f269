// Package store is where the metadata is kept: a small linearizable key-value store
// with revisions, watches and leases, and the layout of its keys. It knows nothing of
// what the metadata means.
//
//   - [Store] is the contract, which package storetest holds as a test suite. Package
//     etcd has the real one; [Memory] keeps the same contract for tests and the simulator.
//   - [Compare] and [Op] make a transaction: it is applied if every compare holds.
//   - [Keys] says which keys there are, and the values in values.go what stands in them.
//
// Invariants:
//
//   - What a call that has returned did is seen by every later one.
//   - The changes of one revision are seen together or not at all.
//   - A key or value of a later version is left alone; [FormatVersion] rises with what
//     this version could not do without.
package store
