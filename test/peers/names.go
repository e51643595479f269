package main

import "strconv"

const (
	valueBytes = 100
	names      = 50_000 // locks, or subjects, that a load goes round over
	batchLocks = 8      // of one atomic write
)

// payload is text without runs, the same in every run.
func payload() []byte {
	v := make([]byte, valueBytes)
	state := uint32(1)
	for i := range v {
		state = state*1664525 + 1013904223
		v[i] = 'a' + byte(state>>24)%26
	}
	return v
}

// named are n names that begin with prefix.
func named(prefix string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = prefix + strconv.Itoa(i)
	}
	return all
}

// counted is a payload that begins with a number.
func counted(n int64) []byte {
	v := payload()
	v[copy(v, strconv.AppendInt(nil, n, 10))] = ' '
	return v
}
