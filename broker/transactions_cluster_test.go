package broker

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/coordinator/txn"
	"github.com/lockstep-log/lockstep/protocol"
)

// oneStatePartition has one broker coordinate all transactions.
func oneStatePartition(c *Config) { c.Transactions.StatePartitions, c.Groups.OffsetsPartitions = 1, 1 }

// txnCoordinatorOf is where FindCoordinator sends a transactional producer; 0 while there
// is nobody who serves it.
func (ps *peers) txnCoordinatorOf(asked protocol.BrokerID, id string) protocol.BrokerID {
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorType, req.CoordinatorKeys = coordinatorOfTransaction, []string{id}
	c := ask[*kmsg.FindCoordinatorResponse](dial(ps.t, ps.all[asked].Addr("")), 4, req).Coordinators[0]
	at := protocol.BrokerID(c.NodeID)
	if c.ErrorCode != 0 || ps.all[at] == nil {
		return 0
	}
	return at
}

// Goal: transactions over partitions of three brokers, whoever coordinates them, are all
// or nothing, and their ends are told when no partition has them open any more.
func TestTransactionsSpanBrokers(t *testing.T) {
	ps := startPeers(t, 3, withoutDelay)
	ps.create("a", 3, 1, 2, 3)
	for i := range int32(3) {
		ps.createAt(protocol.BrokerID(i+1), fmt.Sprint("own", i+1), 1, i+1, (i+1)%3+1)
	}
	for i := range 4 {
		cl := ps.client(kgo.TransactionalID(fmt.Sprint("x", i)))
		for round := range 2 {
			if err := cl.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			for _, topic := range []string{"a", "own1", "own2", "own3"} {
				value := fmt.Sprint(10*i + round)
				if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte(value)}).FirstErr(); err != nil {
					t.Fatalf("%s: %v", topic, err)
				}
			}
			if err := cl.EndTransaction(t.Context(), kgo.TransactionEndTry(round == 0)); err != nil {
				t.Fatal(err)
			}
			for id := range ps.all {
				for _, topic := range []string{"a", "own1", "own2", "own3"} {
					if p := ps.all[id].hosted.Topic(topic).Partition(0); p.IsOpen() && ps.leader(topic, 0) == id {
						if n, _ := p.OpenTransactions(); n != 0 {
							t.Errorf("%s has %d open transactions when their end is answered", topic, n)
						}
					}
				}
			}
		}
	}
	for _, topic := range []string{"a", "own1", "own2", "own3"} {
		wantCommitted(t, ps.all[ps.leader(topic, 0)].Addr(""), topic, 0, "0", "10", "20", "30")
	}
}

// Goal: a commit that was decided is completed by the next coordinator. Method: the
// leader of one partition is away, so that its marker cannot be written; the coordinator
// goes; then the leader comes back.
func TestTheNextCoordinatorCompletesACommit(t *testing.T) {
	ps := startPeers(t, 3, oneStatePartition)
	var at protocol.BrokerID
	ps.await("a coordinator", func() bool { at = ps.txnCoordinatorOf(1, "x"); return at > 0 })
	away := at%3 + 1
	other := away%3 + 1
	ps.createAt(away, "far", 1, int32(away))
	ps.createAt(other, "near", 1, int32(other))
	wr := begin(t, ps.all[at].Addr(""), "x")
	for _, topic := range []string{"far", "near"} {
		ps.await("the record to be written", func() bool {
			w := *wr
			w.w = dial(t, ps.all[ps.leader(topic, 0)].Addr(""))
			return w.produce(12, topic, 0, topic) == 0
		})
	}
	ps.halt(away)
	ended := make(chan int16, 1)
	go func() {
		defer func() { _ = recover() }() // the connection ends with the coordinator
		ended <- endWithoutTest(ps.all[at].Addr(""), wr)
	}()
	ps.await("the end to be logged", func() bool {
		return dial(t, ps.all[at].Addr("")).describeTransaction("x").State == txn.PrepareCommit.String()
	})
	if len(ended) > 0 {
		t.Errorf("the end is answered with code %d before the markers are written", <-ended)
	}
	ps.halt(at)
	ps.restart(away)
	var next protocol.BrokerID
	ps.await("the next coordinator to have completed it", func() bool {
		next = ps.txnCoordinatorOf(other, "x")
		return next > 0 && next != at && dial(t, ps.all[next].Addr("")).describeTransaction("x").State == txn.CompleteCommit.String()
	})
	wantCommitted(t, ps.all[away].Addr(""), "far", 0, "far")
	wantCommitted(t, ps.all[other].Addr(""), "near", 0, "near")
	wr.w = dial(t, ps.all[next].Addr(""))
	if code := wr.end(5, true); code != 0 || wr.Epoch != 1 {
		t.Errorf("asked again, the end is answered with code %d, epoch %d", code, wr.Epoch)
	}
}

// endWithoutTest sends an EndTxn whose answer may never come.
func endWithoutTest(addr string, wr *writer) int16 {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RequestRetries(0))
	if err != nil {
		return -1
	}
	defer cl.Close()
	req := kmsg.NewPtrEndTxnRequest()
	req.Version, req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = 5, wr.id, wr.ID, wr.Epoch, true
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	resp, err := cl.SeedBrokers()[0].Request(ctx, req)
	if err != nil {
		return -1
	}
	return resp.(*kmsg.EndTxnResponse).ErrorCode
}

// Goal: while a transaction is open its coordinator, and then a partition's leader, go;
// the producer's client goes on, and commits all of it.
func TestATransactionGoesOnOverFailovers(t *testing.T) {
	ps := startPeers(t, 3, oneStatePartition)
	ps.create("a", 2, 1, 2, 3)
	cl := ps.client(kgo.TransactionalID("x"))
	var want []string
	for round := range 4 {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for i := range 6 {
			v := fmt.Sprint(round, "-", i)
			want = append(want, v)
			if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "a", Partition: 0, Value: []byte(v)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			if i != 2 {
				continue
			}
			var at protocol.BrokerID
			ps.await("a coordinator", func() bool {
				for id, p := range ps.all {
					if p != nil {
						at = ps.txnCoordinatorOf(id, "x")
					}
				}
				return at > 0
			})
			if round%2 == 1 {
				at = ps.leader("a", 0)
			}
			ps.halt(at)
			ps.restart(at)
		}
		if err := cl.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	wantCommitted(t, ps.all[ps.leader("a", 0)].Addr(""), "a", 0, want...)
}

// Goal: a partition is asked about at the coordinator once a transaction, and not for each
// batch, and whose transactional id a batch is sent with is looked at all the same.
func TestABatchIsHeldAgainstItsTransactionalID(t *testing.T) {
	s, _ := startServer(t)
	dial(t, s.Addr("")).createTopic("a", 2)
	wr, other := begin(t, s.Addr(""), "x"), begin(t, s.Addr(""), "y")
	if code := wr.produce(12, "a", 0, "1"); code != 0 {
		t.Fatalf("code %d", code)
	}
	for name, c := range map[string]struct {
		by   writer
		want int16
	}{
		"another's id":        {writer{w: wr.w, id: "y", Producer: wr.Producer, sequence: 1}, kerr.InvalidProducerIDMapping.Code},
		"an unknown id":       {writer{w: wr.w, id: "z", Producer: wr.Producer, sequence: 1}, kerr.InvalidProducerIDMapping.Code},
		"another's producer":  {writer{w: wr.w, id: "x", Producer: other.Producer}, kerr.InvalidProducerIDMapping.Code},
		"a newer epoch":       {writer{w: wr.w, id: "x", Producer: txn.Producer{ID: wr.ID, Epoch: wr.Epoch + 1}}, kerr.InvalidProducerEpoch.Code},
		"an unknown producer": {writer{w: wr.w, id: "x", Producer: txn.Producer{ID: 1 << 40}}, kerr.InvalidProducerIDMapping.Code},
		"an empty id":         {writer{w: wr.w, id: "", Producer: wr.Producer, sequence: 1}, kerr.InvalidRequest.Code},
	} {
		for partition := range int32(2) {
			if code := c.by.produce(12, "a", partition, "forged"); code != c.want {
				t.Errorf("%s, partition %d: code %d, want %d", name, partition, code, c.want)
			}
		}
	}
	if code := produceBatch(wr.w, 12, nil, "a", 0, writerBatch(wr.Producer, 1, true, "v")); code != kerr.TransactionalIDAuthorizationFailed.Code {
		t.Errorf("without an id: code %d", code)
	}
	if code := produceBatch(wr.w, 12, &wr.id, "a", 0, writerBatch(txn.Producer{ID: -1, Epoch: -1}, -1, true, "v")); code != kerr.InvalidTxnState.Code {
		t.Errorf("without a producer: code %d", code)
	}
	if code := wr.produce(12, "a", 0, "2"); code != 0 {
		t.Errorf("the owner goes on: code %d", code)
	}
	if code := wr.end(5, true); code != 0 {
		t.Fatalf("end: code %d", code)
	}
	wantCommitted(t, s.Addr(""), "a", 0, "1", "2")
}
