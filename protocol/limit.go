package protocol

import "strconv"

// Limit is a bound that may be absent. The zero Limit bounds nothing, so that an
// option nobody has set does no harm, and a bound of 0 is a bound: a log that is
// kept for 0 ms is not kept.
type Limit struct {
	at    int64
	bound bool
}

// LimitOf reads a bound as Kafka writes it: below 0 there is none.
func LimitOf(n int64) Limit {
	if n < 0 {
		return Limit{}
	}
	return Limit{at: n, bound: true}
}

// Get returns the bound; ok is false where there is none.
func (l Limit) Get() (n int64, ok bool) { return l.at, l.bound }

// String is the bound as Kafka writes it.
func (l Limit) String() string {
	if !l.bound {
		return "-1"
	}
	return strconv.FormatInt(l.at, 10)
}
