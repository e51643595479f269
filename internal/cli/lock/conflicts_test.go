package lock

import (
	"encoding/json"
	"fmt"
	"testing"
)

func ringOf(t *testing.T, numbers ...uint64) []json.RawMessage {
	t.Helper()
	var ring []json.RawMessage
	for _, s := range numbers {
		raw, err := json.Marshal(refusal{Topic: "accounts", Message: fmt.Sprint("CONFLICT ", s)})
		if err != nil {
			t.Fatal(err)
		}
		ring = append(ring, raw)
	}
	return ring
}

func TestATailPrintsEachRefusalOnce(t *testing.T) {
	seen := seenRefusals{}
	for _, c := range []struct {
		ring []uint64
		want int
	}{
		{[]uint64{1, 2, 3}, 3},
		{[]uint64{1, 2, 3}, 0},
		{[]uint64{3, 4, 5}, 2}, // the oldest fell out of the ring
		{nil, 0},
		{[]uint64{3, 4, 5, 5, 5}, 2}, // the same again, in the same millisecond
		{[]uint64{5, 5, 5, 6}, 1},
		{[]uint64{1, 2}, 2}, // the broker was restarted
		{[]uint64{1, 2, 3}, 1},
	} {
		fresh, err := seen.fresh(ringOf(t, c.ring...))
		if err != nil || len(fresh) != c.want {
			t.Errorf("%v: %d new ones, %v; want %d", c.ring, len(fresh), err, c.want)
		}
	}
}

func TestATailTellsPartitionsApart(t *testing.T) {
	entry := func(partition int32, text string) json.RawMessage {
		raw, err := json.Marshal(refusal{Topic: "accounts", Partition: partition, Message: text})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	seen := seenRefusals{}
	if _, err := seen.fresh([]json.RawMessage{entry(0, "a"), entry(1, "a"), entry(0, "b")}); err != nil {
		t.Fatal(err)
	}
	fresh, err := seen.fresh([]json.RawMessage{entry(1, "a"), entry(0, "b"), entry(1, "b"), entry(0, "c")})
	want := []json.RawMessage{entry(1, "b"), entry(0, "c")}
	var got []json.RawMessage
	for _, f := range fresh {
		got = append(got, f.raw)
	}
	if err != nil || fmt.Sprintf("%s", got) != fmt.Sprintf("%s", want) {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}
