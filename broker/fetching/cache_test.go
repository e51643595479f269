package fetching

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestCacheGivesSlotsAsKafkaDoes runs testdata/cache: clients that begin sessions, go
// on with them and leave, while time passes. None of the partitions is hosted.
func TestCacheGivesSlotsAsKafkaDoes(t *testing.T) {
	datadriven.Walk(t, "testdata/cache", func(t *testing.T, path string) {
		s := &cacheStory{}
		datadriven.RunTest(t, path, s.run)
	})
}

type cacheStory struct {
	c     *Cache
	now   int64
	named map[string]*Session
	epoch map[string]int32
}

func (s *cacheStory) run(t *testing.T, d *datadriven.TestData) string {
	name := ""
	if len(d.CmdArgs) > 0 && len(d.CmdArgs[0].Vals) == 0 {
		name = d.CmdArgs[0].Key
	}
	partitions := 1
	d.MaybeScanArgs(t, "partitions", &partitions)
	switch d.Cmd {
	case "cache":
		slots, most := 2, 1000
		d.MaybeScanArgs(t, "slots", &slots)
		d.MaybeScanArgs(t, "partitions", &most)
		*s = cacheStory{c: NewCache(CacheOptions{Slots: slots, PartitionsMax: most}), named: map[string]*Session{}, epoch: map[string]int32{}}
		return ""
	case "pass":
		seconds := 0
		d.ScanArgs(t, "s", &seconds)
		s.now += int64(seconds) * 1000
		return ""
	case "begin":
		session := NewSession(false, listing(name, 0, partitions))
		defer session.Release()
		if !s.c.Add(session, s.now) {
			return "no session" + s.state()
		}
		s.named[name], s.epoch[name] = session, 1
		return "session" + s.state()
	case "resume":
		from := s.named[name].Size()
		session, err := s.c.Resume(s.named[name].id, s.epoch[name], false, listing(name, from, partitions-from), nil, s.now)
		if err != nil {
			return err.Error() + s.state()
		}
		session.Release()
		s.epoch[name]++
		return "resumed" + s.state()
	case "end":
		s.c.End(s.named[name].id)
		return "ended" + s.state()
	}
	t.Fatalf("unknown command %s", d.Cmd)
	return ""
}

func (s *cacheStory) state() string {
	st := s.c.Stats()
	if n := len(s.c.mu.sessions); n != s.c.mu.byUse.Len() || len(s.c.mu.evictable) > n {
		return "\nthe cache disagrees with itself"
	}
	return fmt.Sprintf("\n%d sessions, %d partitions, %d evictions", st.Sessions, st.Partitions, st.Evictions)
}

func listing(topic string, from, n int) []Listing {
	listed := make([]Listing, max(0, n))
	for i := range listed {
		listed[i].Key = Key{Name: topic, Index: int32(from + i)}
	}
	return listed
}

// TestLongTopicNamesCountAsPartitions, because the cache's bound stands for memory.
func TestLongTopicNamesCountAsPartitions(t *testing.T) {
	c := NewCache(CacheOptions{Slots: 10, PartitionsMax: 100})
	long := strings.Repeat("x", 32<<10)
	s := NewSession(false, listing(long, 0, 1))
	defer s.Release()
	if c.Add(s, 0) {
		t.Error("a session with a name of 32 KiB has room where 100 partitions have")
	}
	short := NewSession(false, listing("t", 0, 100))
	if !c.Add(short, 0) {
		t.Error("100 partitions have no room")
	}
	short.Release()
	if _, err := c.Resume(short.id, 1, false, listing("u", 0, 1), nil, 0); err != ErrSessionNotFound {
		t.Errorf("a session that has outgrown the cache: %v", err)
	}
	if st := c.Stats(); st != (CacheStats{Evictions: 1}) {
		t.Errorf("left are %+v", st)
	}
}

// TestManyClientsUseOneCache is for the race detector: sessions are begun, resumed,
// resumed twice by two connections, and evicted under each other's hands.
func TestManyClientsUseOneCache(t *testing.T) {
	c := NewCache(CacheOptions{Slots: 4, PartitionsMax: 200})
	var clients sync.WaitGroup
	for n := range 8 {
		clients.Go(func() {
			for round := range int64(300) {
				s := NewSession(false, listing("t", 0, 1+n))
				added := c.Add(s, round*(EvictionMs/2))
				id := s.id
				s.Release()
				if !added {
					continue
				}
				var two sync.WaitGroup
				for range 2 {
					two.Go(func() {
						if s, err := c.Resume(id, 1, false, listing("u", 0, n), nil, round*(EvictionMs/2)); err == nil {
							s.Begin(Committed, round, 1)
							s.Release()
						}
					})
				}
				two.Wait()
				if round%3 == 0 {
					c.End(id)
				}
			}
		})
	}
	clients.Wait()
	for id := range c.mu.sessions {
		c.End(id)
	}
	if st := c.Stats(); st.Sessions != 0 || st.Partitions != 0 || c.mu.weight != 0 || len(c.mu.evictable) != 0 {
		t.Errorf("left are %+v, a weight of %d, %d evictable", st, c.mu.weight, len(c.mu.evictable))
	}
}
