package broker

// tally counts how often a request names each thing. Kafka refuses what is
// named twice, with one answer for all its namings; it also keeps a small
// request from asking for the same large answer again and again.
type tally[K comparable] map[K]int

func tallyOf[T any, K comparable](all []T, key func(*T) K) tally[K] {
	t := make(tally[K], len(all))
	for i := range all {
		t[key(&all[i])]++
	}
	return t
}

// take returns how often k was named, the first time; after that, 0.
func (t tally[K]) take(k K) int {
	n := t[k]
	t[k] = 0
	return n
}
