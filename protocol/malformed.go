package protocol

import (
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Malformed is a lock request that breaks the grammar. Text is what stands
// after "MALFORMED record=N: " and is for people: one line, valid UTF-8, of
// bounded length whatever the header held.
type Malformed struct {
	Text string
	// Mistake: it is the mistake of whoever made the request, and not what becomes
	// of a good one on its way through a pipeline that copies headers.
	Mistake bool
}

// Error is the text with a word of what it is about.
func (m *Malformed) Error() string { return "malformed lock request: " + m.Text }

func malformed(format string, args ...any) error {
	return &Malformed{Text: fmt.Sprintf(format, args...)}
}

func mistake(format string, args ...any) error {
	return &Malformed{Text: fmt.Sprintf(format, args...), Mistake: true}
}

// quotedBytesMax bounds how much of somebody's bytes a text repeats.
const quotedBytesMax = 64

// quote shows the beginning of somebody's bytes, safe for a log line.
func quote(b []byte) string {
	if len(b) <= quotedBytesMax {
		return strconv.Quote(string(b))
	}
	end := quotedBytesMax
	for end > quotedBytesMax-utf8.UTFMax && !utf8.RuneStart(b[end]) {
		end--
	}
	return strconv.Quote(string(b[:end]) + "…")
}

var lockHeaders = [...]string{HeaderLockWrite, HeaderLockRead, HeaderLockAppend, HeaderLockBasis, HeaderLockID}

const lockHeaderList = "(lock-write, lock-read, lock-append, lock-basis, lock-id)"

func unknownHeader(key []byte) error {
	if near := Nearest(string(key), slices.Values(lockHeaders[:]), typosMax); near != "" {
		return mistake("header %s is unknown; did you mean %s? %s", quote(key), near, lockHeaderList)
	}
	return malformed("header %s is unknown %s", quote(key), lockHeaderList)
}

// typosMax is the edit distance up to which a header is taken for a misspelt one.
const typosMax = 2
