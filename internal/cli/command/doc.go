// Package command is what all commands of the command line share: the streams of
// the process, exit codes, output formats, --timeout and interruption, how a cluster
// is reached by the Kafka protocol and by HTTP, and the words for common errors. It
// holds no command.
//
// A command is made of these: Streams say what it may touch, Format prints its
// result, Cluster, Kafka, HTTP and AllBrokers ask the cluster, Usagef, RefusedError
// and ErrNegative choose its exit code, and EndInTime sees to it that it ends.
package command
