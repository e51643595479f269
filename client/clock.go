package client

import "time"

// clock tells the time in ms. While it is asked many times within one ms it
// answers most of them from memory: to ask the system costs about as much as to
// write a record.
type clock struct {
	ms   int64
	good int // how many times more ms may be told
}

const clockStride = 15

func (c *clock) now() int64 {
	if c.good > 0 {
		c.good--
		return c.ms
	}
	ms := time.Now().UnixMilli()
	if ms == c.ms {
		c.good = clockStride
	}
	c.ms = ms
	return ms
}

// pass says that time has passed: a request has ended, or a batch begun.
func (c *clock) pass() { c.good = 0 }
