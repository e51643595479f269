package main

import "testing"

// TestASeedIsASchedule: the same kills again, of another kind with another seed,
// and each kind of broker among them.
func TestASeedIsASchedule(t *testing.T) {
	draw := func(seed uint64) (all [60]strike) {
		s := newSchedule(seed, brokerStream, ofBrokers(brokers, 3))
		for i := range all {
			all[i] = s.draw()
		}
		return all
	}
	first, again := draw(7), draw(7)
	if first != again {
		t.Error("a seed gives two schedules")
	}
	if first == draw(8) {
		t.Error("two seeds give one schedule")
	}
	hit := map[target]int{}
	for _, s := range first {
		hit[s.target]++
	}
	for _, want := range []target{broker, leader, controller, allBrokers} {
		if hit[want] < 5 {
			t.Errorf("of 60 strikes at brokers %d are at %v", hit[want], want)
		}
	}
}
