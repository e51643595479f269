// Package invariant stops a program that has come to contradict itself. A
// failed check is a bug of ours, never of a client's bytes or of a disk: those
// are answered or refused. To stop is the safe end: what was acknowledged is in
// the log, and the log is folded again at the next start.
package invariant
