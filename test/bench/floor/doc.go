// Package floor is the least server that a produce and a fetch can be measured
// against: it frames, checks the CRC, writes and group-commits, and does nothing
// else of what a broker does. It has one log, which stands for partition 0 of
// whatever topic is named, and forgets it when it is closed. Each stage can be
// switched off, so that the cost of the next one is a subtraction.
//
// The distance from Lockstep to this floor, taken in one run on one machine, is
// the figure that needs no peer and that a slow peer cannot flatter.
//
// It is a yardstick, not a broker: no producer state, no locks, no epochs, one
// topic and partition a request, acks=0 unknown. Server is the only type.
package floor
