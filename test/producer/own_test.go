package producer

import (
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/test/inprocess"
)

// records is a state that keeps all that was applied, but what only the broker
// knows.
type records []kgo.Record

func keep(s *records, r *kgo.Record) {
	c := *r
	c.LeaderEpoch, c.ProducerID, c.ProducerEpoch = 0, 0, 0
	*s = append(*s, c)
}

func kept(t *testing.T, v *client.View[records]) (all records) {
	t.Helper()
	if err := v.Read(t.Context(), func(s records, _ int64) error { all = slices.Clone(s); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestAViewAppliesItsOwnAppendsAsOthersReadThem: two views write, of which each
// applies most of its own without reading them, and a third one only reads.
func TestAViewAppliesItsOwnAppendsAsOthersReadThem(t *testing.T) {
	for _, stamp := range []string{"CreateTime", "LogAppendTime"} {
		t.Run(stamp, func(t *testing.T) {
			addr := inprocess.Broker(t)
			create(t, addr, "t", 1, "message.timestamp.type", stamp)
			var views []*client.View[records]
			for range 2 {
				v, err := client.NewView(open(t, addr), "t", 0, nil, keep)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(v.Close)
				views = append(views, v)
			}
			var all sync.WaitGroup
			for w, v := range views {
				all.Go(func() {
					for i := range 60 {
						if _, err := v.Update(t.Context(), manyShapes(w, i)); err != nil {
							t.Errorf("writer %d: %v", w, err)
							return
						}
					}
				})
			}
			all.Wait()
			reader, err := client.NewView(open(t, addr), "t", 0, nil, keep)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(reader.Close)
			want := kept(t, reader)
			for w, v := range views {
				for i, got := range kept(t, v) {
					if !reflect.DeepEqual(got, want[i]) {
						t.Fatalf("writer %d, record %d:\n%+v\nand who reads it has\n%+v", w, i, got, want[i])
					}
				}
			}
		})
	}
}

// manyShapes decides on records with and without keys, values, headers, times,
// ids and company.
func manyShapes(writer, i int) func(tx *client.Tx, s records) error {
	return func(tx *client.Tx, s records) error {
		tx.Lock(client.Write("hot lock"), client.Read("other").At(client.None))
		r := &kgo.Record{Value: fmt.Appendf(nil, "%d", len(s))}
		switch i % 6 {
		case 1:
			r.Key = []byte{}
		case 2:
			r.Key, r.Value = []byte("k"), nil
		case 3:
			r.Headers = []kgo.RecordHeader{{Key: "a", Value: []byte("b")}, {Key: "empty"}}
			r.Timestamp = time.UnixMicro(1_700_000_000_123_456)
		case 4:
			tx.Append(&kgo.Record{Value: []byte("first")}, &kgo.Record{})
		case 5:
			tx.ID(fmt.Sprintf("own-%d-%d", writer, i))
		}
		tx.Append(r)
		return nil
	}
}

// TestAViewWhoseLockNobodyElseWantsHardlyReads, however many goroutines it has.
func TestAViewWhoseLockNobodyElseWantsHardlyReads(t *testing.T) {
	const each = 40
	for _, writers := range []int{1, 8} {
		addr := inprocess.Broker(t)
		create(t, addr, "t", 1)
		read := fetches()
		v := view(t, open(t, addr), "t", client.FeedWith(kgo.WithHooks(read)))
		var all sync.WaitGroup
		for range writers {
			all.Go(func() {
				for range each {
					if _, err := v.Update(t.Context(), increment("hot")); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		if n := sum(t, v, "hot"); n != writers*each {
			t.Errorf("the sum is %d, want %d", n, writers*each)
		}
		if n := read.n.Load(); n > int64(writers*each/2) {
			t.Errorf("%d writers made %d fetches for %d commits", writers, n, writers*each)
		}
	}
}
