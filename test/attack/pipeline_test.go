package attack

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// Goal: questions whose answers nobody reads hold a bounded memory, and end.
func TestAnswersThatNobodyReadsAreBoundedAndEnd(t *testing.T) {
	v := attacked(t, func(c *broker.Config) { c.WriteTimeout = 500 * time.Millisecond })
	b := v.bystand()
	v.topic("full")
	v.dial().produce("full", batchOf(t, record.Record{Value: make([]byte, 900<<10)}))
	create := kmsg.NewPtrCreateTopicsRequest()
	for i := range 30 {
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic, rt.NumPartitions, rt.ReplicationFactor = fmt.Sprintf("many-%d", i), 1, -1
		create.Topics = append(create.Topics, rt)
	}
	ask[*kmsg.CreateTopicsResponse](v.dial(), create, 7)
	const connections, bound = 8, 96 << 20
	for name, one := range map[string][]byte{
		"ApiVersions":                  request(kmsg.NewPtrApiVersionsRequest(), 0),
		"Metadata of all topics":       request(kmsg.NewPtrMetadataRequest(), 1),
		"Fetch of a large batch":       request(fetchRequest(partitionOf("full", 0)), 4),
		"Produce to nowhere":           request(produceRequest("nowhere", 1, make([]byte, 10)), 9),
		"Produce of many empty topics": request(manyEmpty(64), 9),
	} {
		t.Run(name, func(t *testing.T) {
			base := heap()
			many := bytes.Repeat(one, 1+(64<<10)/len(one))
			var all []*socket
			var asking sync.WaitGroup
			for range connections {
				s := v.dial()
				s.t = t
				all = append(all, s)
				asking.Go(func() {
					for err := error(nil); err == nil; {
						_, err = s.nc.Write(many)
					}
				})
			}
			b.progress()
			most := int64(0)
			for _, s := range all {
				from := "from=" + s.nc.LocalAddr().String() + " "
				eventually(t, "the connection is closed", func() bool { return v.log.count(from) > 0 })
				most = max(most, heap()-base)
				s.saidOnce("does not take its answers")
				s.nc.Close()
			}
			asking.Wait()
			t.Logf("at most %d MiB of heap for %d connections", most>>20, connections)
			if most > bound {
				t.Errorf("%d MiB of heap, want %d at most", most>>20, bound>>20)
			}
		})
	}
	b.stillServed()
}

func manyEmpty(n int) *kmsg.ProduceRequest {
	req := produceRequest("nowhere", 1)
	for range n {
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, kmsg.NewProduceRequestTopicPartition())
	}
	return req
}

func TestAProduceOfMorePartitionsThanBytesIsRefused(t *testing.T) {
	v := attacked(t)
	s := v.dial()
	s.send(request(manyEmpty(100_000), 9))
	s.refused("names 100000 partitions")
}

// A client that is gone must not hold its place until its fetch is over.
func TestAFetchWhoseClientIsGoneEnds(t *testing.T) {
	t.Parallel()
	v := attacked(t)
	b := v.bystand()
	v.topic("quiet")
	before := v.connections()
	const parked = 50
	req := fetchRequest(partitionOf("quiet", 0))
	req.MaxWaitMillis, req.MinBytes = 1<<31-1, 1<<31-1
	for range parked {
		s := v.dial()
		s.send(request(req, 12))
		s.nc.CloseWrite()
		s.nc.Close()
	}
	eventually(t, "the fetches have ended", func() bool { return v.connections() <= before })
	b.stillServed()
}

// connections is what the broker says that it has.
func (v *victim) connections() int {
	v.t.Helper()
	resp, err := http.Get("http://" + v.http + "/metrics")
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(all)) {
		if strings.HasPrefix(line, "lockstep_connections{") {
			fmt.Sscan(line[strings.LastIndexByte(line, ' '):], &n)
		}
	}
	return n
}

// What a fetch asks for beyond what an answer may hold is not waited for.
func TestAFetchThatAsksForAllThereIsGetsAnAnswer(t *testing.T) {
	v := attacked(t)
	b := v.bystand()
	v.topic("some")
	s := v.dial()
	for range 3 {
		s.produce("some", batchOf(t, record.Record{Value: make([]byte, 500<<10)}))
	}
	for name, change := range map[string]func(*kmsg.FetchRequest){
		"max bytes 2^31-1": func(r *kmsg.FetchRequest) {
			r.MaxBytes = 1<<31 - 1
			r.Topics[0].Partitions[0].PartitionMaxBytes = 1<<31 - 1
		},
		"max bytes 1, min 2^31-1": func(r *kmsg.FetchRequest) { r.MaxBytes, r.MinBytes, r.MaxWaitMillis = 1, 1<<31-1, 1<<31-1 },
		"negative bytes":          func(r *kmsg.FetchRequest) { r.MaxBytes, r.Topics[0].Partitions[0].PartitionMaxBytes = -5, -5 },
		"negative wait":           func(r *kmsg.FetchRequest) { r.MaxWaitMillis, r.MinBytes = -1<<31, 1<<31-1 },
	} {
		t.Run(name, func(t *testing.T) {
			req := fetchRequest(partitionOf("some", 0))
			change(req)
			p := ask[*kmsg.FetchResponse](s, req, 12).Topics[0].Partitions[0]
			if p.ErrorCode != 0 || len(p.RecordBatches) < 500<<10 {
				t.Errorf("code %d and %d bytes", p.ErrorCode, len(p.RecordBatches))
			}
		})
	}
	for _, offset := range []int64{-1, -1 << 63, 1<<63 - 1, 4} {
		p := ask[*kmsg.FetchResponse](s, fetchRequest(partitionOf("some", offset)), 12).Topics[0].Partitions[0]
		if p.ErrorCode != 1 {
			t.Errorf("offset %d: code %d", offset, p.ErrorCode)
		}
	}
	b.stillServed()
}

// Goal: naming a partition ten thousand times costs no more than naming it once.
func TestAFetchOfOnePartitionTenThousandTimesIsBounded(t *testing.T) {
	v := attacked(t)
	b := v.bystand()
	v.topic("again")
	s := v.dial()
	s.produce("again", batchOf(t, record.Record{Value: make([]byte, 900<<10)}))
	rt := partitionOf("again", 0)
	for range 9_999 {
		rt.Partitions = append(rt.Partitions, rt.Partitions[0])
	}
	req := fetchRequest(rt)
	req.MaxBytes = 1<<31 - 1
	s.send(request(req, 12))
	answer := s.answer()
	const bound = 56 << 20
	t.Logf("an answer of %d MiB", len(answer)>>20)
	if len(answer) == 0 || len(answer) > bound {
		t.Errorf("an answer of %d bytes", len(answer))
	}
	parked := fetchRequest(rt)
	for i := range rt.Partitions {
		rt.Partitions[i].FetchOffset = 1
	}
	parked.MaxWaitMillis, parked.MinBytes = 1<<31-1, 1<<30
	base := heap()
	for range 10 {
		v.dial().send(request(parked, 12))
	}
	b.progress()
	grown := heap() - base
	t.Logf("%d KiB for each parked fetch of 10,000 partitions", grown/10>>10)
	if grown > 64<<20 {
		t.Errorf("%d MiB for ten parked fetches", grown>>20)
	}
	b.stillServed()
}

func TestAFetchThatCallsItselfAFollowerMovesNothing(t *testing.T) {
	v := attacked(t)
	v.topic("led")
	s := v.dial()
	req := fetchRequest(partitionOf("led", 0))
	req.ReplicaID = 2
	if code := ask[*kmsg.FetchResponse](s, req, 12).Topics[0].Partitions[0].ErrorCode; code != 6 {
		t.Errorf("code %d, want NOT_LEADER_OR_FOLLOWER", code)
	}
	req.SessionID, req.SessionEpoch = 12345, 3
	if code := ask[*kmsg.FetchResponse](s, req, 12).ErrorCode; code != 70 {
		t.Errorf("a guessed session: code %d, want FETCH_SESSION_ID_NOT_FOUND", code)
	}
}
