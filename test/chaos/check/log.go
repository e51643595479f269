package check

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Record is one record of a log, as read at the end of a round.
type Record struct {
	Offset int64
	Epoch  int32
	Value  string
	Header Locks
}

// Locks is a record's lock request.
type Locks struct {
	Write, Read, Append []Item
	ID                  string
}

// Item is a lock with the basis that counts for it.
type Item struct {
	Lock  string
	Basis int64
}

// ParseLocks reads lock headers, given as key, value, key, value. It is this
// package's own reading of the grammar: it must not share a mistake with the
// broker.
func ParseLocks(headers ...string) (Locks, error) {
	basis, lists := "", map[string][]string{}
	var l Locks
	for i := 0; i+1 < len(headers); i += 2 {
		switch key, value := headers[i], headers[i+1]; key {
		case "lock-basis":
			basis = value
		case "lock-id":
			l.ID = value
		case "lock-write", "lock-read", "lock-append":
			lists[key] = strings.Fields(value)
		}
	}
	for key, to := range map[string]*[]Item{"lock-write": &l.Write, "lock-read": &l.Read, "lock-append": &l.Append} {
		for _, item := range lists[key] {
			name, own, has := strings.Cut(item, "@")
			if !has {
				own = basis
			}
			at, err := parseBasis(own)
			if err != nil && key != "lock-append" {
				return l, fmt.Errorf("%s %q: %w", key, item, err)
			}
			*to = append(*to, Item{name, at})
		}
	}
	return l, nil
}

func parseBasis(text string) (int64, error) {
	if text == "none" {
		return none, nil
	}
	return strconv.ParseInt(text, 10, 64)
}

// Log is one partition's log up to where it has been read. It only grows: what
// a later round reads differently of an earlier round is found by Reread.
type Log struct {
	At      Place
	Records []Record // by offset; offsets may have gaps

	at    map[string]int64 // where each value is
	last  map[string]int64 // newest write of each lock
	all   int64            // newest record
	epoch int32
}

// NewLog is an empty log.
func NewLog(at Place) *Log {
	return &Log{At: at, at: map[string]int64{}, last: map[string]int64{}, all: none}
}

// Next is the offset behind all that was read.
func (l *Log) Next() int64 { return l.all + 1 }

// Find returns the record at an offset.
func (l *Log) Find(offset int64) (Record, bool) {
	i, ok := slices.BinarySearchFunc(l.Records, offset, func(r Record, o int64) int { return int(r.Offset - o) })
	if !ok {
		return Record{}, false
	}
	return l.Records[i], true
}

// Where is a value in the log?
func (l *Log) Where(value string) (offset int64, ok bool) {
	offset, ok = l.at[value]
	return offset, ok
}

// Extend takes in what was read behind what is known, and judges what a log can
// be judged for by itself: no value twice, no epoch that falls, no offset that
// does not rise, no admission that overlooks a write.
func (l *Log) Extend(records []Record) []string {
	var wrong []string
	for len(records) > 0 {
		n := appendSize(records)
		wrong = append(wrong, l.judge(records[:n])...)
		for _, r := range records[:n] {
			wrong = append(wrong, l.add(r)...)
		}
		records = records[n:]
	}
	return wrong
}

// appendSize counts the neighbours that were appended as one.
func appendSize(records []Record) int {
	n := 1
	for n < len(records) && records[n].Header.ID != "" && records[n].Header.ID == records[0].Header.ID {
		n++
	}
	return n
}

func (l *Log) add(r Record) []string {
	var wrong []string
	if r.Offset <= l.all {
		wrong = append(wrong, fmt.Sprintf("%v: offset %d comes after offset %d", l.At, r.Offset, l.all))
	}
	if r.Epoch < l.epoch {
		wrong = append(wrong, fmt.Sprintf("%v: offset %d has leader epoch %d, after %d", l.At, r.Offset, r.Epoch, l.epoch))
	}
	if before, twice := l.at[r.Value]; twice {
		wrong = append(wrong, fmt.Sprintf("%v: %q is at offset %d and again at %d", l.At, r.Value, before, r.Offset))
	}
	l.Records, l.at[r.Value], l.all, l.epoch = append(l.Records, r), r.Offset, r.Offset, r.Epoch
	for _, item := range slices.Concat(r.Header.Write, r.Header.Append) {
		l.last[item.Lock] = r.Offset
	}
	return wrong
}

// Reread compares a second reading of a part of the log with the first.
func (l *Log) Reread(records []Record) []string {
	var wrong []string
	for _, r := range records {
		if was, ok := l.Find(r.Offset); !ok || was.Value != r.Value || was.Epoch != r.Epoch {
			wrong = append(wrong, fmt.Sprintf("%v: offset %d was %q of epoch %d and is %q of epoch %d", l.At, r.Offset, was.Value, was.Epoch, r.Value, r.Epoch))
		}
	}
	return wrong
}
