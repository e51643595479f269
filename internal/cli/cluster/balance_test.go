package cluster

import (
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"pgregory.net/rapid"
)

func detail(replicas ...[]int32) kadm.TopicDetails {
	d := kadm.TopicDetail{Topic: "t", Partitions: kadm.PartitionDetails{}}
	for i, r := range replicas {
		d.Partitions[int32(i)] = kadm.PartitionDetail{Topic: "t", Partition: int32(i), Replicas: r}
	}
	return kadm.TopicDetails{"t": d}
}

// Three brokers share what one has held, and each partition gets three replicas.
func TestOneBrokersPartitionsAreSharedByThree(t *testing.T) {
	topics := detail([]int32{1}, []int32{1}, []int32{1})
	b := balancing{brokers: []int32{1, 2, 3}}
	if got := fmt.Sprint(b.balance(topics, topics)); got != "[{t 0 [1] [3]} {t 1 [1] [2]}]" {
		t.Errorf("shared as %s", got)
	}
	b = balancing{brokers: []int32{1, 2, 3}, replicas: 3}
	got := b.balance(topics, topics)
	var leaders []int32
	for _, p := range got {
		leaders = append(leaders, p.To[0])
	}
	if slices.Sort(leaders); len(got) != 3 || !slices.Equal(leaders, []int32{2, 3}) && !slices.Equal(leaders, []int32{1, 2, 3}) {
		t.Errorf("with three replicas: %v", got)
	}
}

// TestAPlanIsEvenAndBreaksNothing: whatever the brokers and partitions, each partition
// has the replicas that it is to have, on different brokers of those that may hold
// any; loads and leaders differ by one at most where there are no racks; no partition is in fewer
// racks than before; and what was planned needs no second plan.
func TestAPlanIsEvenAndBreaksNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "brokers")
		gone := int32(rapid.IntRange(0, n).Draw(t, "gone")) // 0: none
		var brokers, ids []int32
		for id := int32(1); id <= int32(n); id++ {
			ids = append(ids, id)
			if id != gone || n == 1 {
				brokers = append(brokers, id)
			}
		}
		racks := map[int32]string{}
		racked := rapid.Bool().Draw(t, "racked")
		if racked {
			for _, id := range ids {
				racks[id] = rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "rack")
			}
		}
		var replicas [][]int32
		rf := rapid.IntRange(1, len(brokers)).Draw(t, "rf")
		for range rapid.IntRange(1, 20).Draw(t, "partitions") {
			replicas = append(replicas, rapid.Permutation(ids).Draw(t, "replicas")[:rf])
		}
		topics := detail(replicas...)
		b := balancing{brokers: brokers, racks: racks, replicas: rapid.IntRange(0, len(brokers)).Draw(t, "wanted")}
		plan := b.balance(topics, topics)
		after := slices.Clone(replicas)
		for _, p := range plan {
			after[p.Partition] = p.To
		}
		load := map[int32]int{}
		for i, r := range after {
			want := b.replicas
			if want == 0 {
				want = rf
			}
			if len(r) != want || len(slices.Compact(slices.Sorted(slices.Values(r)))) != want {
				t.Fatalf("partition %d: %v, want %d replicas", i, r, want)
			}
			for _, id := range r {
				if load[id]++; !slices.Contains(brokers, id) {
					t.Fatalf("partition %d: %v is on a broker that may hold nothing", i, r)
				}
			}
			if b.replicas == 0 && !slices.Contains(replicas[i], gone) && racksOf(r, racks) < racksOf(replicas[i], racks) {
				t.Fatalf("partition %d: %v is in fewer racks than %v", i, r, replicas[i])
			}
		}
		for _, x := range brokers {
			for _, y := range brokers {
				if !racked && load[x]-load[y] > 1 {
					t.Fatalf("broker %d holds %d, and %d holds %d: %v", x, load[x], y, load[y], after)
				}
			}
		}
		topics = detail(after...)
		if again := b.balance(topics, topics); len(again) > 0 {
			t.Fatalf("the plan of what was planned is %v", again)
		}
	})
}

func racksOf(replicas []int32, racks map[int32]string) int {
	seen := map[string]bool{}
	for _, id := range replicas {
		seen[racks[id]] = true
	}
	return len(seen)
}
