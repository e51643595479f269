package command

import (
	"testing"
	"time"
)

func TestAPositionIsReadAsItIsWritten(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		text string
		want Position
	}{
		{"start", Position{fromStart, 0}},
		{"end", Position{fromEnd, 0}},
		{"+5", Position{fromStart, 5}},
		{"-5", Position{fromEnd, -5}},
		{"-0", Position{fromEnd, 0}},
		{"17", Position{fromOffset, 17}},
		{"@1700000000", Position{fromTime, 1_700_000_000_000}},
		{"@1700000000123", Position{fromTime, 1_700_000_000_123}},
		{"@2026-11-23", Position{fromTime, 1_795_392_000_000}},
		{"@2026-11-23T01:00:00Z", Position{fromTime, 1_795_395_600_000}},
		{"@-12h", Position{fromTime, 1_795_392_000_000}},
	} {
		if got, err := ParsePosition(c.text, now); err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v, want %+v", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{"", "middle", "@", "@noon", "1.5", "@5h", "99999999999999999999"} {
		if got, err := ParsePosition(text, now); err == nil {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
}

func TestAPositionSettlesWithinItsPartition(t *testing.T) {
	const start, end = 10, 20
	for _, c := range []struct {
		p    Position
		at   int64 // what the broker answered about the time
		want int64
	}{
		{Position{fromStart, 0}, 0, 10},
		{Position{fromStart, 3}, 0, 13},
		{Position{fromStart, 99}, 0, 20},
		{Position{fromEnd, -3}, 0, 17},
		{Position{fromEnd, -99}, 0, 10},
		{Position{fromTime, 1}, 15, 15},
		{Position{fromTime, 1}, -1, 20},
		{Position{fromOffset, 4}, 0, 4},
	} {
		if got := c.p.settle(start, end, c.at); got != c.want {
			t.Errorf("%+v: got %d, want %d", c.p, got, c.want)
		}
	}
}
