package deadline

import (
	"testing"

	"pgregory.net/rapid"
)

// Goal: the queue fires everything once, at its time, however often deadlines
// are put off, brought forward or stopped. Method: against a map.
func TestTimersFireOnceAtTheirTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q Queue
		var now int64
		var fired []int
		all := make([]Timer, 8)
		due := map[int]int64{}
		for i := range all {
			all[i].Fire = func(int64) { fired = append(fired, i) }
		}
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				i := rapid.IntRange(0, 7).Draw(t, "timer")
				due[i] = now + rapid.Int64Range(0, 20).Draw(t, "in")
				q.Set(&all[i], due[i])
			},
			"stop": func(t *rapid.T) {
				i := rapid.IntRange(0, 7).Draw(t, "timer")
				delete(due, i)
				q.Stop(&all[i])
			},
			"pass": func(t *rapid.T) {
				now += rapid.Int64Range(0, 10).Draw(t, "ms")
				fired = nil
				for tm := q.Pop(now); tm != nil; tm = q.Pop(now) {
					tm.Fire(now)
				}
				for _, i := range fired {
					if at, armed := due[i]; !armed || at > now {
						t.Fatalf("timer %d fired at %d, due %d", i, now, at)
					}
					delete(due, i)
				}
			},
			"": func(t *rapid.T) {
				next, armed := q.Next()
				for i, at := range due {
					if !armed || next > at || at < now-20 {
						t.Fatalf("timer %d is due at %d, the next at %d", i, at, next)
					}
				}
			},
		})
	})
}
