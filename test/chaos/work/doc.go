// Package work is what clients do to a cluster while it is hurt: a bank whose
// transfers are conditional appends of package client, registers that are
// written by compare-and-set, numbered records of stock franz-go producers, and
// readers at leaders and followers. It remembers what every call was told, for
// package check.
//
// A Workload lives as long as its cluster and goes in rounds: Begin lets the
// writers go, End stops them and waits until nothing is in flight, so that a
// round's history can be judged against the log as it then is.
package work
