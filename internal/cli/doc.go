// Package cli is the command line of lockstep, which is the broker and its client
// commands in one binary.
//
// It turns flags, environment and files into options, starts what it was asked
// to start, and prints what came of it. It holds no rule of the broker: the
// client commands speak the Kafka protocol and the HTTP API like any other
// client, and serve hands its configuration to package broker.
//
// Every command keeps the same rules. Standard output is the result and
// nothing else; diagnostics go to standard error. The exit code
// is 0 when the work is done, 1 on an error, 2 when the command was typed
// wrongly, and 3 when the broker refused an append.
package cli
