package group

import (
	"encoding/hex"
	"errors"
	"reflect"
	"testing"

	"github.com/lockstep-log/lockstep/coordinator/deadline"
)

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every version of an offset that Kafka has written is read; the bytes are in
// the order of Kafka's OffsetCommitValue.json.
func TestOffsetsOfAllVersionsAreRead(t *testing.T) {
	const offset, metadata, commit = "000000000000002a", "00026869", "00000000000003e8"
	for name, c := range map[string]struct {
		value string
		want  Offset
	}{
		"v0": {"0000" + offset + metadata + commit, Offset{42, -1, "hi", 1000, -1}},
		"v1": {"0001" + offset + metadata + commit + "00000000000007d0", Offset{42, -1, "hi", 1000, 2000}},
		"v2": {"0002" + offset + metadata + commit, Offset{42, -1, "hi", 1000, -1}},
		"v3": {"0003" + offset + "00000005" + metadata + commit, Offset{42, 5, "hi", 1000, -1}},
		"v4": {"0004" + offset + "00000005" + "036869" + commit + "0100100102030405060708090a0b0c0d0e0f10", Offset{42, 5, "hi", 1000, -1}},
	} {
		t.Run(name, func(t *testing.T) {
			c0 := New(Config{}, nil)
			if err := c0.Replay(offsetKey("g", TopicPartition{"t", 3}), unhex(t, c.value)); err != nil {
				t.Fatal(err)
			}
			if got := c0.groups["g"].offsets[TopicPartition{"t", 3}]; got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// The same for groups, by GroupMetadataValue.json.
func TestGroupsOfAllVersionsAreRead(t *testing.T) {
	const (
		typ     = "0008636f6e73756d6572"
		head    = typ + "00000007" + "000572616e6765" + "00026d31"
		client  = "000163" + "00022f68"
		bodies  = "00000002" + "0102" + "00000001" + "09"
		session = "00002710"
	)
	want := member{id: "m1", clientID: "c", host: "/h", sessionMs: 10_000, rebalanceMs: 10_000,
		protocols: []Protocol{{"range", []byte{1, 2}}}, assignment: []byte{9}}
	for name, value := range map[string]string{
		"v0": "0000" + head + "00000001" + "00026d31" + client + session + bodies,
		"v1": "0001" + head + "00000001" + "00026d31" + client + session + session + bodies,
		"v2": "0002" + head + "00000000000003e8" + "00000001" + "00026d31" + client + session + session + bodies,
		"v3": "0003" + head + "00000000000003e8" + "00000001" + "00026d31" + "ffff" + client + session + session + bodies,
		"v4": "0004" + "09636f6e73756d6572" + "00000007" + "0672616e6765" + "036d31" + "00000000000003e8" + "02" +
			"036d31" + "00" + "0263" + "032f68" + session + session + "030102" + "0209" + "00" + "00",
	} {
		t.Run(name, func(t *testing.T) {
			c := New(Config{}, nil)
			if err := c.Replay(groupKey("g"), unhex(t, value)); err != nil {
				t.Fatal(err)
			}
			g := c.groups["g"]
			if g.state != Stable || g.generation != 7 || g.protocol != "range" || g.leader != "m1" || len(g.members) != 1 {
				t.Fatalf("got %+v", g)
			}
			got := *g.members[0]
			got.session = deadline.Timer{}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestRecordsThatCannotBeReadAreRefusedAndForeignOnesPassedOver(t *testing.T) {
	okey := offsetKey("g", TopicPartition{"t", 3})
	value := offsetValue(Offset{Offset: 1, ExpireMs: -1})
	for name, r := range map[string]Record{
		"no key":         {nil, value},
		"cut key":        {okey[:len(okey)-1], value},
		"cut offset":     {okey, value[:len(value)-1]},
		"longer offset":  {okey, append(append([]byte{}, value...), 0)},
		"newer offset":   {okey, append([]byte{0, 5}, value[2:]...)},
		"negative key":   {[]byte{0xff, 0xff}, value},
		"cut group":      {groupKey("g"), []byte{0, 3, 0, 1}},
		"twice a member": {groupKey("g"), twice()},
		"cut epoch":      {key(keyEpoch, "g"), []byte{0, 0, 0}},
		"newer epoch":    {key(keyEpoch, "g"), []byte{0, 1, 0, 0, 0, 1, 0}},
		"no member":      {key(keyTarget, "g"), []byte{0, 0, 1, 0}},
		"cut target":     {key(keyTarget, "g", "m"), []byte{0, 0, 2, 0}},
		"long current":   {key(keyCurrent, "g", "m"), []byte{0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 1, 0, 0}},
	} {
		if err := New(Config{}, nil).Replay(r.Key, r.Value); !errors.Is(err, ErrBadRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := New(Config{}, nil).Replay([]byte{0, 99, 9}, []byte{1}); err != nil {
		t.Errorf("a record of a newer kind: %v", err)
	}
}

func twice() []byte {
	g := newGroup("g", 0)
	m := &member{id: "m"}
	g.members = []*member{m, m}
	return g.value()
}

// Kafka's Java has "abc".hashCode() == 96354, and Integer.MIN_VALUE for
// "polygenelubricants"; the hash of "" is 0, and that of é😀 goes over its
// UTF-16 units. A negative hash counts without its sign.
func TestGroupsFallOnThePartitionsThatKafkaWouldGiveThem(t *testing.T) {
	overflowing := int32(1)
	for range 6 {
		overflowing *= 31 // of a leading U+0001 and six U+0000
	}
	for id, want := range map[string]int32{
		"": 0, "abc": 96354 % 50, "polygenelubricants": 0,
		"é😀":                           (31*31*0xe9 + 31*0xd83d + 0xde00) % 50,
		"\x01\x00\x00\x00\x00\x00\x00": max(overflowing, -overflowing) % 50,
	} {
		if got := PartitionOf(id, 50); got != want {
			t.Errorf("%q is on %d, want %d", id, got, want)
		}
	}
}

// rewritten is all that the log has of a modern group.
func rewritten(c *Coordinator, g *group) []Record {
	for _, m := range g.modern.sorted() {
		c.appendMember(g, m)
		c.appendTarget(g, m)
		c.appendCurrent(g, m)
	}
	c.appendTopics(g)
	c.appendTargetEpoch(g)
	if g.written {
		c.appendEpoch(g)
	}
	return c.take().Records
}

func FuzzReplay(f *testing.F) {
	f.Add(offsetKey("g", TopicPartition{"t", 3}), offsetValue(Offset{Offset: 1, Metadata: "m", ExpireMs: -1}))
	f.Add(offsetKey("g", TopicPartition{"t", 3}), offsetValue(Offset{Offset: 1, ExpireMs: 7}))
	g := newGroup("g", 5)
	g.protocolType, g.protocol, g.leader = consumerType, "range", "m"
	g.members = []*member{{id: "m", protocols: []Protocol{{"range", encodedSubscription("t")}}, assignment: []byte{1}}}
	f.Add(groupKey("g"), g.value())
	f.Add(groupKey("g"), []byte{0, 4, 1, 0, 0, 0, 1, 0, 0})
	f.Add(key(keyMember, "g", "m"), []byte{0, 0, 0, 0, 2, 'c', 2, 'h', 2, 2, 't', 0, 0, 0, 0, 1, 0, 0})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		c := New(Config{}, nil)
		if err := c.Replay(key, value); err != nil {
			if !errors.Is(err, ErrBadRecord) {
				t.Fatal(err)
			}
			return
		}
		c.Start(0)
		var log []Record
		for _, g := range c.groups { // what was read is written so that it is read the same
			switch {
			case g.modern != nil:
				log = append(log, rewritten(c, g)...)
			case g.written:
				log = append(log, Record{groupKey(g.id), g.value()})
			}
			for tp, o := range g.offsets {
				log = append(log, Record{offsetKey(g.id, tp), offsetValue(o)})
			}
		}
		again := New(Config{}, nil)
		for _, r := range log {
			if err := again.Replay(r.Key, r.Value); err != nil {
				t.Fatal(err)
			}
		}
		for tick := 0; tick < 3; tick++ {
			c.Tick(int64(tick) * 1_000_000_000)
		}
	})
}
