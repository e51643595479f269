package sim

import "container/heap"

// clock is simulated time, in microseconds, and what is to happen when. Things
// of one moment happen in the order in which they were asked for.
type clock struct {
	now    int64
	serial uint64
	events events
}

const ms = 1000 // microseconds

type event struct {
	at     int64
	serial uint64
	do     func()
}

func (c *clock) after(micros int64, do func()) {
	c.serial++
	heap.Push(&c.events, event{c.now + max(micros, 1), c.serial, do})
}

// step lets the next thing happen; false when there is none before the time is over.
func (c *clock) step(until int64) bool {
	if len(c.events) == 0 || c.events[0].at > until {
		return false
	}
	e := heap.Pop(&c.events).(event)
	c.now = e.at
	e.do()
	return true
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].serial < e[j].serial
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	old[len(old)-1].do = nil
	*e = old[:len(old)-1]
	return last
}
