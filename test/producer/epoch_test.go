package producer

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/test/inprocess"
)

// liars is two brokers, of which one leads partition 0 of topic t, whose answers a
// test replaces: what a broker that is right would never say, or only when links
// are cut in a certain order.
type liars struct {
	*kfake.Cluster
	t     *testing.T
	epoch atomic.Int32 // of the partition
}

func newLiars(t *testing.T) *liars {
	t.Helper()
	kafka, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	l := &liars{Cluster: kafka, t: t}
	l.judge()
	l.move(0)
	return l
}

// judge makes them say that they judge lock requests.
func (l *liars) judge() {
	l.t.Helper()
	versions, err := kmsg.NewPtrApiVersionsRequest().RequestWith(l.t.Context(), dial(l.t, l.ListenAddrs()[0]))
	if err != nil {
		l.t.Fatal(err)
	}
	l.instead(kmsg.ApiVersions, func(req kmsg.Request) kmsg.Response {
		resp := *versions
		resp.SetVersion(req.GetVersion())
		f := kmsg.NewApiVersionsResponseSupportedFeature()
		f.Name, f.MinVersion, f.MaxVersion = "conflict.version", 1, 1
		resp.SupportedFeatures = []kmsg.ApiVersionsResponseSupportedFeature{f}
		return &resp
	})
}

// instead answers requests of one kind, unless answer returns nil.
func (l *liars) instead(key kmsg.Key, answer func(kmsg.Request) kmsg.Response) {
	l.ControlKey(key.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		l.KeepControl()
		resp := answer(req)
		return resp, nil, resp != nil
	})
}

// move gives the partition to a broker, in the next epoch.
func (l *liars) move(to int32) {
	l.t.Helper()
	if err := l.MoveTopicPartition("t", 0, to); err != nil {
		l.t.Fatal(err)
	}
	l.epoch.Store(l.PartitionInfo("t", 0).Epoch)
}

func (l *liars) write(values ...string) {
	l.t.Helper()
	cl := dial(l.t, l.ListenAddrs()[0], kgo.DefaultProduceTopic("t"), kgo.MetadataMinAge(10*time.Millisecond))
	for _, v := range values {
		if err := cl.ProduceSync(l.t.Context(), value("%s", v)).FirstErr(); err != nil {
			l.t.Fatal(err)
		}
	}
}

// view joins the values that it reads.
func (l *liars) view() *client.View[string] {
	l.t.Helper()
	c, err := client.New(dial(l.t, l.ListenAddrs()[0], kgo.MetadataMinAge(10*time.Millisecond)))
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(c.Close)
	v, err := client.NewView(c, "t", 0, "", func(s *string, r *kgo.Record) { *s += string(r.Value) })
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(v.Close)
	return v
}

// awaitState waits until a view has read what it should.
func awaitState(t *testing.T, v *client.View[string], want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for got := ""; got != want; time.Sleep(time.Millisecond) {
		err := v.Read(ctx, func(s string, _ int64) error { got = s; return nil })
		if err != nil {
			t.Fatalf("the view has read %q, want %q: %v", got, want, err)
		}
	}
}

// awaitEnd waits until a view has ended, and returns why.
func awaitEnd(t *testing.T, v *client.View[string]) error {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if err := v.Read(t.Context(), func(string, int64) error { return nil }); err != nil {
			return err
		}
	}
	t.Fatal("the view goes on")
	return nil
}

// fetched is an answer to a Fetch of partition 0 with one field set.
func fetched(req kmsg.Request, set func(*kmsg.FetchResponseTopicPartition)) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	rp := kmsg.NewFetchResponseTopicPartition()
	set(&rp)
	rt := kmsg.NewFetchResponseTopic()
	rt.Topic, rt.TopicID = req.(*kmsg.FetchRequest).Topics[0].Topic, req.(*kmsg.FetchRequest).Topics[0].TopicID
	rt.Partitions = append(rt.Partitions, rp)
	resp.Topics = append(resp.Topics, rt)
	return resp
}

// TestAViewNamesTheEpochsItGoesBy in all that it asks, and each time anew.
func TestAViewNamesTheEpochsItGoesBy(t *testing.T) {
	l := newLiars(t)
	l.write("a", "b")
	l.move(1)
	l.write("c")
	var last, leaders atomic.Int32
	l.instead(kmsg.Fetch, func(req kmsg.Request) kmsg.Response {
		rp := &req.(*kmsg.FetchRequest).Topics[0].Partitions[0]
		if rp.FetchOffset >= 3 {
			last.Store(rp.LastFetchedEpoch)
		}
		leaders.Store(rp.CurrentLeaderEpoch)
		return nil
	})
	var listed atomic.Int32
	listed.Store(-1)
	l.instead(kmsg.ListOffsets, func(req kmsg.Request) kmsg.Response {
		listed.Store(req.(*kmsg.ListOffsetsRequest).Topics[0].Partitions[0].CurrentLeaderEpoch)
		return nil
	})
	v := l.view()
	awaitState(t, v, "abc")
	epoch := l.epoch.Load()
	if epoch < 2 || listed.Load() != epoch {
		t.Errorf("ListOffsets named epoch %d of %d", listed.Load(), epoch)
	}
	for deadline := time.Now().Add(10 * time.Second); last.Load() != epoch || leaders.Load() != epoch; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("Fetch named epoch %d and, of what it has, %d; want %d", leaders.Load(), last.Load(), epoch)
		}
	}
	l.move(0)
	l.write("d")
	awaitState(t, v, "abcd")
	if leaders.Load() != epoch+1 {
		t.Errorf("Fetch names epoch %d after a move, want %d", leaders.Load(), epoch+1)
	}
}

// TestAViewBelievesNobodyThatWhatItReadIsGone but the leader of the newest epoch,
// who is asked where the epoch of it ends.
func TestAViewBelievesNobodyThatWhatItReadIsGone(t *testing.T) {
	for name, lie := range map[string]func(*kmsg.FetchResponseTopicPartition){
		"out of range": func(p *kmsg.FetchResponseTopicPartition) {
			p.ErrorCode, p.LogStartOffset, p.HighWatermark = kerr.OffsetOutOfRange.Code, 0, 1
		},
		"out of range, the log begins later": func(p *kmsg.FetchResponseTopicPartition) {
			p.ErrorCode, p.LogStartOffset, p.HighWatermark = kerr.OffsetOutOfRange.Code, 100, 200
		},
		"diverging": func(p *kmsg.FetchResponseTopicPartition) {
			p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = 0, 1
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLiars(t)
			l.write("a", "b")
			v := l.view()
			awaitState(t, v, "ab")
			var lies, asked atomic.Int32
			l.instead(kmsg.OffsetForLeaderEpoch, func(kmsg.Request) kmsg.Response { asked.Add(1); return nil })
			l.instead(kmsg.Fetch, func(req kmsg.Request) kmsg.Response {
				if lies.Add(1) > 3 {
					return nil
				}
				return fetched(req, lie)
			})
			l.write("c")
			awaitState(t, v, "abc")
			if lies.Load() < 4 || asked.Load() < 3 {
				t.Errorf("%d fetches, and the leader was asked %d times", lies.Load(), asked.Load())
			}
		})
	}
}

// TestAViewEndsWhenTheLeaderConfirmsThatWhatItReadIsGone, and says what is missing.
func TestAViewEndsWhenTheLeaderConfirmsThatWhatItReadIsGone(t *testing.T) {
	l := newLiars(t)
	l.write("a", "b", "c")
	v := l.view()
	awaitState(t, v, "abc")
	l.instead(kmsg.OffsetForLeaderEpoch, func(req kmsg.Request) kmsg.Response {
		rp := &req.(*kmsg.OffsetForLeaderEpochRequest).Topics[0].Partitions[0]
		if rp.CurrentLeaderEpoch < 0 || rp.LeaderEpoch < 0 {
			t.Errorf("asked in epoch %d where epoch %d ends", rp.CurrentLeaderEpoch, rp.LeaderEpoch)
		}
		resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
		out := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
		out.LeaderEpoch, out.EndOffset = rp.LeaderEpoch, 2
		resp.Topics = []kmsg.OffsetForLeaderEpochResponseTopic{{Topic: "t", Partitions: []kmsg.OffsetForLeaderEpochResponseTopicPartition{out}}}
		return resp
	})
	l.instead(kmsg.Fetch, func(req kmsg.Request) kmsg.Response {
		return fetched(req, func(p *kmsg.FetchResponseTopicPartition) { p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = 0, 2 })
	})
	if err := awaitEnd(t, v); !strings.Contains(err.Error(), "was read up to offset 2") || !strings.Contains(err.Error(), "up to offset 1") {
		t.Errorf("the view ended with %v", err)
	}
}

// TestAViewAsksNoLeaderOfAnEarlierEpoch, whoever names it.
func TestAViewAsksNoLeaderOfAnEarlierEpoch(t *testing.T) {
	l := newLiars(t)
	l.write("a")
	stale, err := metadataOf(t, l)
	if err != nil {
		t.Fatal(err)
	}
	l.move(1)
	l.write("b")
	v := l.view()
	awaitState(t, v, "ab")
	var old, asked atomic.Int32
	l.instead(kmsg.Fetch, func(req kmsg.Request) kmsg.Response {
		asked.Add(1)
		if l.CurrentNode() == 0 {
			old.Add(1)
			return fetched(req, func(p *kmsg.FetchResponseTopicPartition) { p.ErrorCode = kerr.OffsetOutOfRange.Code })
		}
		if asked.Load() == 1 { // have it look for the leader
			return fetched(req, func(p *kmsg.FetchResponseTopicPartition) { p.ErrorCode = kerr.NotLeaderForPartition.Code })
		}
		return nil
	})
	var told atomic.Int32
	l.instead(kmsg.Metadata, func(req kmsg.Request) kmsg.Response {
		if told.Add(1) > 6 {
			return nil
		}
		resp := *stale
		resp.SetVersion(req.GetVersion())
		return &resp
	})
	for asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	l.write("c")
	awaitState(t, v, "abc")
	if old.Load() > 0 || told.Load() == 0 {
		t.Errorf("the leader of an earlier epoch was asked %d times, and named %d times", old.Load(), told.Load())
	}
}

func metadataOf(t *testing.T, l *liars) (*kmsg.MetadataResponse, error) {
	req := kmsg.NewPtrMetadataRequest()
	topic := "t"
	req.Topics = []kmsg.MetadataRequestTopic{{Topic: &topic}}
	return req.RequestWith(t.Context(), dial(t, l.ListenAddrs()[0]))
}

// TestAViewOfATopicThatWasMadeAgainEnds: what it has read is another topic's.
func TestAViewOfATopicThatWasMadeAgainEnds(t *testing.T) {
	addr := inprocess.Broker(t)
	create(t, addr, "t", 1)
	c := open(t, addr)
	v, err := client.NewView(c, "t", 0, "", func(s *string, r *kgo.Record) { *s += string(r.Value) })
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for _, name := range []string{"a", "b"} {
		if _, err := c.Append(t.Context(), "t", 0, client.Cond{}, value("%s", name)); err != nil {
			t.Fatal(err)
		}
	}
	awaitState(t, v, "ab")
	del := kmsg.NewPtrDeleteTopicsRequest()
	rt := kmsg.NewDeleteTopicsRequestTopic()
	rt.Topic = kmsg.StringPtr("t")
	del.TopicNames, del.Topics = []string{"t"}, append(del.Topics, rt)
	if resp, err := del.RequestWith(t.Context(), dial(t, addr)); err != nil || resp.Topics[0].ErrorCode != 0 {
		t.Fatal(resp, err)
	}
	create(t, addr, "t", 1)
	for i := range 5 { // as many as it has read, and more: by their offsets nothing is amiss
		if _, err := c.Append(t.Context(), "t", 0, client.Cond{}, value("%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := awaitEnd(t, v); !strings.Contains(err.Error(), "deleted and made again") {
		t.Errorf("the view ended with %v", err)
	}
}

// TestAppendsNameTheLeaderEpoch, and another one after a move; a batch that was not
// written for it is sent again.
func TestAppendsNameTheLeaderEpoch(t *testing.T) {
	l := newLiars(t)
	named := make(chan int32, 100)
	l.instead(kmsg.Produce, func(req kmsg.Request) kmsg.Response {
		rp := &req.(*kmsg.ProduceRequest).Topics[0].Partitions[0]
		epoch, ok := protocol.LeaderEpoch(-1), false
		rp.UnknownTags.Each(func(tag uint32, value []byte) {
			if tag == protocol.TagLeaderEpoch {
				var err error
				epoch, err = protocol.ReadLeaderEpoch(value)
				ok = err == nil
			}
		})
		if !ok {
			t.Error("an append names no leader epoch")
		}
		named <- int32(epoch)
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		out := kmsg.NewProduceResponseTopicPartition()
		if now := l.epoch.Load(); int32(epoch) != now {
			out.ErrorCode = kerr.FencedLeaderEpoch.Code
			out.CurrentLeader.LeaderID, out.CurrentLeader.LeaderEpoch = 1, now
		} else {
			out.UnknownTags.Set(protocol.TagVerdicts, protocol.AppendVerdicts(nil, nil))
		}
		resp.Topics = []kmsg.ProduceResponseTopic{{Topic: "t", Partitions: []kmsg.ProduceResponseTopicPartition{out}}}
		return resp
	})
	c, err := client.New(dial(t, l.ListenAddrs()[0], kgo.MetadataMinAge(10*time.Millisecond)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	first := l.epoch.Load()
	for i, want := range [][]int32{{first}, {first, first + 1}, {first + 1}} {
		if i == 1 {
			l.move(1)
		}
		if _, err := c.Append(t.Context(), "t", 0, client.Cond{}, value("%d", i)); err != nil {
			t.Fatal(err)
		}
		var got []int32
		for len(named) > 0 {
			got = append(got, <-named)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("append %d named epochs %v, want %v", i, got, want)
		}
	}
}
