package client

import "time"

// clock tells the time in ms. While it is asked many times within one ms it
// answers most of them from memory: to ask the system costs about as much as to
// write a record.
type clock struct {
	ms         int64
	validCalls int // how many times more ms may be told
}

const clockStride = 15

func (c *clock) now() int64 {
	if c.validCalls > 0 {
		c.validCalls--
		return c.ms
	}
	ms := time.Now().UnixMilli()
	if ms == c.ms {
		c.validCalls = clockStride
	}
	c.ms = ms
	return ms
}

// invalidate says that time has passed: a request has ended, or a batch begun.
func (c *clock) invalidate() { c.validCalls = 0 }
