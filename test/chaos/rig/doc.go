// Package rig runs a cluster of real brokers that can be hurt: processes that
// are killed, paused and stopped, each on a file system of its own that fills up
// or loses its power, each in a network namespace of its own whose links are cut.
//
//	clients ──┐
//	          ├── hub ── node 1      every arrow is a veth pair; the hub routes,
//	          │    ├─── node 2      and forgets packets on demand: from one node
//	          │    └─── node 3      to another, so that a cut may be one-way
//
// Its disks are mounted in a mount namespace of its own: a neighbour that makes
// one meanwhile would otherwise hold on to them, and what is held on to cannot be
// given its power back.
//
// What the machine does not permit is left out and said: without namespaces all
// brokers listen on loopback and no link can be cut; without loop devices the
// data lies in a directory and no power can be. One goroutine drives a rig.
package rig
