package settings

import "maps"

// Created completes the settings that a topic is created with. One whose
// appends all depend on what is before them is a ledger, of which nothing may
// be missing: it keeps its records, whatever holds for other topics, unless it
// says itself for how long.
func (c CarryTopics) Created(topic string, overrides map[string]string, layers ...Layer) map[string]string {
	_, told := overrides["retention.ms"]
	policy, _ := find(topicTable, "conflict.policy")
	if _, carried := c.Match(topic, overrides); carried || told || effective(&policy, overrides,
		layers) != string(ConflictRequired) {
		return overrides
	}
	all := maps.Clone(overrides)
	if all == nil {
		all = make(map[string]string, 1)
	}
	all["retention.ms"] = "-1"
	return all
}
