// Package cluster is the command cluster: what brokers there are, whether all is
// well, and moving partitions between brokers.
package cluster
