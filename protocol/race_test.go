//go:build race

package protocol

// Under the race detector the compiler does not spare the second slice of
// append(a, make([]T, n)...), kmsg's way to grow: arrays cost twice.
const arrayCopies = 2
