package group

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

func askersOf(n int, topics ...Topic) []asker {
	all := make([]asker, n)
	for i := range all {
		all[i] = asker{id: fmt.Sprintf("m%03d", i), topics: topics}
	}
	return all
}

// given puts an assignment back into the askers, as what they have.
func given(askers []asker, to map[string]Partitions) []asker {
	for i := range askers {
		askers[i].has = to[askers[i].id]
	}
	return askers
}

// moves counts partitions that are with another member than before.
func moves(askers []asker, to map[string]Partitions) (n int) {
	for _, a := range askers {
		_, lost := a.has.split(to[a.id])
		n += lost.count()
	}
	return n
}

func TestUniformMovesOnlyWhatItMust(t *testing.T) {
	topic := Topic{"t", idOf("t"), 300}
	before := askersOf(100, topic)
	before = given(before, assignUniform(before))
	if n := moves(before, assignUniform(before)); n != 0 {
		t.Errorf("with nothing changed, %d partitions moved", n)
	}
	if n := moves(before[1:], assignUniform(before[1:])); n != 0 {
		t.Errorf("as one leaves, the others lose %d partitions", n)
	}
	if n := moves(before, assignUniform(append(before[:100:100], asker{id: "new", topics: []Topic{topic}}))); n != 2 {
		t.Errorf("as one comes, the others lose %d partitions and not the 2 that it gets", n)
	}
}

func TestRangeDividesTopicsAlike(t *testing.T) {
	a, b := Topic{"a", idOf("a"), 7}, Topic{"b", idOf("b"), 7}
	askers := askersOf(3, a, b)
	askers[2].instance = "static"
	to := assignRange(askers)
	for id, want := range map[string]string{
		"m002": "(a:0+1+2, b:0+1+2)", "m000": "(a:3+4, b:3+4)", "m001": "(a:5+6, b:5+6)",
	} {
		if got := to[id].String(); got != want {
			t.Errorf("%s has %s, want %s", id, got, want)
		}
	}
}

// Goal: each partition that somebody subscribes to goes to exactly one who does,
// whatever members had before.
func TestAssignorsGiveEachPartitionToOneSubscriber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var topics []Topic
		for i := range rapid.IntRange(1, 4).Draw(t, "topics") {
			name := string(rune('a' + i))
			topics = append(topics, Topic{name, idOf(name), rapid.Int32Range(1, 12).Draw(t, "partitions")})
		}
		askers := askersOf(rapid.IntRange(1, 6).Draw(t, "members"))
		for i := range askers {
			for _, topic := range topics {
				if rapid.Bool().Draw(t, "subscribes") {
					askers[i].topics = append(askers[i].topics, topic)
				}
				if rapid.Bool().Draw(t, "had") {
					first := rapid.Int32Range(0, 12).Draw(t, "first")
					askers[i].has = askers[i].has.plus(Partitions{topic.ID: {first, first + 1}})
				}
			}
		}
		for name, assign := range assignors {
			checkAssignment(t, name, askers, assign(askers))
		}
	})
}

func checkAssignment(t *rapid.T, name string, askers []asker, to map[string]Partitions) {
	wanted, readers := make(map[place]bool), make(map[place]string)
	for _, a := range askers {
		asks := make(map[TopicID]Topic)
		for _, topic := range a.topics {
			asks[topic.ID] = topic
			for p := range topic.Partitions {
				wanted[place{topic.ID, p}] = true
			}
		}
		to[a.id].each(func(p place) {
			if p.partition >= asks[p.topic].Partitions {
				t.Fatalf("%s: %s gets %v, which it does not subscribe to", name, a.id, p)
			}
			if other, taken := readers[p]; taken {
				t.Fatalf("%s: %s and %s both get %v", name, other, a.id, p)
			}
			readers[p] = a.id
		})
	}
	if len(readers) != len(wanted) {
		t.Fatalf("%s: %d partitions of %d are given", name, len(readers), len(wanted))
	}
}
