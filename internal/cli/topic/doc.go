// Package topic is the command topic: create, list, describe, alter, delete and
// add-partitions.
package topic
