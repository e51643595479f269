//go:build !race

package protocol

const arrayCopies = 1
