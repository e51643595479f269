package protocol

import (
	"encoding/binary"
	"math/bits"
)

// Nearly every lock list is plain: names in ASCII without %XX, and bases that
// are none or offsets. ScanLock reads such a list where it lies, without making
// LockItems of it. It is never wrong about what it reads: what it does not
// know is not ok, and the LockRequest decides.

// ScanLock reads the item that begins at list[at:]. Its name is list[at:name],
// and its end, where the list ends or a space stands, is behind name when the
// item has a basis of its own.
func ScanLock(list []byte, at int) (name, end int, basis Offset, ok bool) {
	name = plainEnd(list, at)
	if uint(name-at-1) >= LockNameBytesMax { // none, or too long
		return 0, 0, None, false
	}
	if name == len(list) || list[name] == ' ' {
		return name, name, None, true
	}
	if list[name] != '@' {
		return 0, 0, None, false
	}
	basis, end, ok = scanBasis(list, name+1)
	return name, end, basis, ok && (end == len(list) || list[end] == ' ')
}

// ScanBasis reads the value of a lock-basis header, as ScanLock reads a list.
func ScanBasis(value []byte) (Offset, bool) {
	basis, end, ok := scanBasis(value, 0)
	return basis, ok && end == len(value)
}

// scanBasis reads the basis at text[at:] and finds its end.
func scanBasis(text []byte, at int) (basis Offset, end int, ok bool) {
	n := uint64(0)
	for end = at; end < len(text); end++ {
		digit := text[end] - '0'
		if digit > 9 {
			break
		}
		n = n*10 + uint64(digit)
	}
	switch digits := end - at; {
	case digits == 0 && len(text)-at >= len("none") && string(text[at:at+len("none")]) == "none":
		return None, at + len("none"), true
	case digits == 0 || digits >= basisDigitsMax: // 18 digits are below the highest offset
		return None, end, false
	}
	return Offset(n), end, true
}

// A word of eight bytes is looked at as a whole.
const (
	wordBytes = 8
	lowBits   = 0x0101010101010101
	highBits  = 0x8080808080808080
)

// plainEnd finds the first byte from list[at:] on that is not plain in a name:
// a space or control character, "@", "%", or beyond ASCII.
func plainEnd(list []byte, at int) int {
	for ; at+wordBytes <= len(list); at += wordBytes {
		if odd := oddBytes(binary.LittleEndian.Uint64(list[at:])); odd != 0 {
			return at + bits.TrailingZeros64(odd)/8
		}
	}
	if len(list) < wordBytes {
		for ; at < len(list) && classOf[list[at]] == 0; at++ {
		}
		return at
	}
	// What is left of the last word ends in zeros, of which the first is odd.
	done := wordBytes - (len(list) - at)
	last := binary.LittleEndian.Uint64(list[len(list)-wordBytes:]) >> (8 * done)
	return at + bits.TrailingZeros64(oddBytes(last))/8
}

// oddBytes sets the top bit of the first byte in word that is not plain, and
// perhaps of some behind it, but of none before.
func oddBytes(word uint64) uint64 {
	control := word - lowBits*(' '+1) // a borrow reaches later bytes only
	at := word ^ lowBits*'@'
	percent := word ^ lowBits*'%'
	deleted := word ^ lowBits*0x7f
	return (control&^word | (at-lowBits)&^at | (percent-lowBits)&^percent | (deleted-lowBits)&^deleted | word) & highBits
}
