// Package producer holds the tests of the extended producer, package client,
// against real brokers: in this process, as processes that are killed, and
// behind connections that are cut.
package producer
