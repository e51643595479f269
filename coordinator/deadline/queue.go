// Package deadline is a queue of timers for cores that have no clock: who owns it
// asks what is due at a time that it is told. One owner at a time.
package deadline

import "container/heap"

// Timer is one deadline. Its owner sets and stops it through the queue and never
// moves it in memory.
type Timer struct {
	due    int64 // when to fire, in ms
	at     int64 // its place in the queue; at <= due
	index  int   // in the heap, while queued
	queued bool
	Fire   func(now int64)
}

// Armed reports whether the timer is set.
func (t *Timer) Armed() bool { return t.queued }

// Queue is a queue of deadlines. To put a deadline off, which every heartbeat
// does, costs no move in the heap: the timer comes up at its old place and is
// queued again.
type Queue struct{ heap timerHeap }

// Set arms t for due, whether or not it was armed.
func (q *Queue) Set(t *Timer, due int64) {
	t.due = due
	switch {
	case !t.queued:
		t.at, t.queued = due, true
		heap.Push(&q.heap, t)
	case due < t.at:
		t.at = due
		heap.Fix(&q.heap, t.index)
	}
}

// Stop disarms t.
func (q *Queue) Stop(t *Timer) {
	if t.queued {
		heap.Remove(&q.heap, t.index)
		t.queued = false
	}
}

// Next is the time of the first place in the queue. Nothing is due before.
func (q *Queue) Next() (int64, bool) {
	if len(q.heap) == 0 {
		return 0, false
	}
	return q.heap[0].at, true
}

// Pop takes a timer that is due, or returns nil.
func (q *Queue) Pop(now int64) *Timer {
	for len(q.heap) > 0 && q.heap[0].at <= now {
		t := q.heap[0]
		if t.due > t.at {
			t.at = t.due
			heap.Fix(&q.heap, 0)
			continue
		}
		heap.Pop(&q.heap)
		t.queued = false
		return t
	}
	return nil
}

type timerHeap []*Timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *timerHeap) Push(x any) {
	t := x.(*Timer)
	t.index = len(*h)
	*h = append(*h, t)
}
func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return t
}
