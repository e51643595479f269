// Command groups has members of a client's own come and go in a group that is
// under load, and prints the line of the feature.
//
//	groups [-feature NAME] TOPIC COMMAND...
//
// It writes to TOPIC for as long as members change. COMMAND TOPIC GROUP is a
// member: it prints each value that it has read on a line of its own, then
// commits, and leaves the group on SIGTERM.
package main
