package command

import "sync"

// askedAtOnceMax bounds how many requests are under way.
const askedAtOnceMax = 8

// ForEach calls do for 0 to n-1, some at a time, and waits for all.
func ForEach(n int, do func(i int)) {
	var all sync.WaitGroup
	room := make(chan struct{}, askedAtOnceMax)
	for i := range n {
		room <- struct{}{}
		all.Go(func() { do(i); <-room })
	}
	all.Wait()
}
