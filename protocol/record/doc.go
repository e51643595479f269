// Package record is the record batch, magic 2: the one format that clients
// write, the wire carries and the disk keeps. A Batch is a validated view over
// those bytes; Parse is the gateway, and behind it a Batch is well-formed for
// good. The package copies nothing per record and keeps no state.
package record
