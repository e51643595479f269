package group

import "testing"

// Goal: no bytes in the offsets topic, or in a classic consumer's metadata, do
// more than be refused. Method: any record is replayed between those of a real
// group, which is then started and used.
func FuzzRecordsOfAnyKind(f *testing.F) {
	c := New(Config{}, func() string { return "id" })
	c.SetTopics(fixedTopics{"t": {"t", idOf("t"), 4}})
	_, modern, _ := c.ConsumerHeartbeat(0, ConsumerHeartbeatRequest{
		Group: "g", Member: "m", RebalanceMs: 1000, Names: []string{"t"}, Owned: Partitions{}, NamesItself: true,
	})
	classic := c.Join(0, 1, JoinRequest{Group: "h", SessionMs: 10_000, ProtocolType: consumerType, Protocols: []Protocol{{"range", encodedSubscription("t")}}})
	records := append(modern.Records, classic.Records...)
	for _, r := range records {
		f.Add(r.Key, r.Value, encodedSubscription("t"))
	}
	f.Add(key(keyCurrent, "g", "m"), []byte{0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 9, 1, 1, 0}, owning([]string{"t"}, []string{"t:0+1"}))
	f.Fuzz(func(t *testing.T, k, v, metadata []byte) {
		c := New(Config{}, func() string { return "id" })
		c.SetTopics(fixedTopics{"t": {"t", idOf("t"), 4}})
		for _, r := range records {
			if err := c.Replay(r.Key, r.Value); err != nil {
				t.Fatal(err)
			}
		}
		_ = c.Replay(k, v)
		c.Start(0)
		for _, l := range c.List() {
			c.Describe(l.Group)
			c.DescribeConsumer(l.Group)
			c.ConsumerHeartbeat(1, ConsumerHeartbeatRequest{Group: l.Group, Member: "n", RebalanceMs: 1, Names: []string{"t"}, Owned: Partitions{}, NamesItself: true})
			c.Join(1, 1, JoinRequest{Group: l.Group, Member: "c", SessionMs: 10_000, ProtocolType: consumerType, Protocols: []Protocol{{"range", metadata}}})
		}
		c.Tick(1 << 40)
	})
}
