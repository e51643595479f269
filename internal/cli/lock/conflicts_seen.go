package lock

import (
	"encoding/json"
	"fmt"
	"time"
)

// timedRefusal is an entry as the broker gave it, and its time.
type timedRefusal struct {
	at  time.Time
	raw json.RawMessage
}

// seenRefusals is each partition's ring as it was last seen.
type seenRefusals map[string][]string

// fresh keeps what is new in an answer, and its order. The entries carry no
// number, so each ring is laid over the last one: between two looks it lost
// some of its oldest and won some at the end. A ring that fits nowhere is
// all new; the broker was restarted, or more came than a ring holds.
func (s seenRefusals) fresh(answer []json.RawMessage) ([]timedRefusal, error) {
	now := map[string][]string{}
	places, times := make([]string, len(answer)), make([]time.Time, len(answer))
	for i, raw := range answer {
		var r refusal
		if err := json.Unmarshal(raw, &r); err != nil {
			return nil, fmt.Errorf("a refusal that cannot be read: %w", err)
		}
		places[i], times[i] = r.place(), r.Time
		now[places[i]] = append(now[places[i]], string(raw))
	}
	old := map[string]int{} // how many of each ring are old
	for place, ring := range now {
		old[place] = overlap(s[place], ring)
		s[place] = ring
	}
	var fresh []timedRefusal
	for i, raw := range answer {
		if old[places[i]] > 0 {
			old[places[i]]--
			continue
		}
		fresh = append(fresh, timedRefusal{times[i], raw})
	}
	return fresh, nil
}

// overlap is how many entries at the end of before are those at the start of
// after, at most.
func overlap(before, after []string) int {
	for n := min(len(before), len(after)); n > 0; n-- {
		if equalRings(before[len(before)-n:], after[:n]) {
			return n
		}
	}
	return 0
}

// equalRings compares from the end, where rings of repeats differ soonest.
func equalRings(a, b []string) bool {
	for i := len(a) - 1; i >= 0; i-- {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
