package broker

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

// TestABrokerKeepsTheOrderOfAConnection: producers without sequences, many
// requests under way on each connection, large and small, while the in-sync
// replicas shrink below what acks=all needs and the leadership moves away and
// back. Batches may be refused; of those that are written none comes before one
// that its connection sent earlier, and the answers come in the requests' order.
//
// A machine that is busy elsewhere may handle all requests of a writer while there is no
// leader, or too few in sync: then they are sent again, until each writer has written.
func TestABrokerKeepsTheOrderOfAConnection(t *testing.T) {
	ps := startPeers(t, 3, func(c *Config) { c.LagTimeMax = 200 * time.Millisecond })
	ps.create("a", 1, 1, 2)
	ps.partition(1, "a", 0)
	for round := range 50 {
		writers := sendInOrder(t, ps, round)
		disturbed := disturb(t, ps, writers)
		if checkOrder(t, ps, round, writers, disturbed) || t.Failed() {
			return
		}
	}
	t.Error("in no round has each writer written: this shows nothing")
}

// orderedWriters are those of one round.
type orderedWriters struct {
	sync.WaitGroup
	acked [4]atomic.Int64 // of each the answers without an error
}

// orderedAcks are what the writers ask for. The last gets no answers.
var orderedAcks = [4]int16{-1, -1, 1, 0}

func sendInOrder(t *testing.T, ps *peers, round int) *orderedWriters {
	const each = 1500
	ws := new(orderedWriters)
	for i, acks := range orderedAcks {
		name := orderedName(round, i)
		nc, err := net.Dial("tcp", ps.all[1].Addr(""))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		ws.Go(func() { sendPipelined(t, nc, name, acks, each) })
		if acks != 0 {
			ws.Go(func() { inOrder(t, nc, name, each, &ws.acked[i]) })
		}
	}
	return ws
}

func orderedName(round, writer int) string { return fmt.Sprintf("r%dw%d", round, writer) }

// disturb halts the follower and moves the leadership until the writers are done.
func disturb(t *testing.T, ps *peers, writers *orderedWriters) (times int) {
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	elector := dial(t, ps.all[3].Addr(""))
	for ; ; times++ {
		select {
		case <-done:
			return times
		default:
		}
		ps.halt(2)
		time.Sleep(100 * time.Millisecond)
		ps.restart(2)
		ps.awaitInSync("a", 0, 2)
		ps.moveTo(elector, "a", 2)
		time.Sleep(20 * time.Millisecond)
		ps.moveTo(elector, "a", 1)
	}
}

// moveTo has another replica lead partition 0, by making it the preferred one.
func (ps *peers) moveTo(w *wire, topic string, leader int32) {
	ps.t.Helper()
	other := int32(3 - leader)
	if codes := told(ask[*kmsg.AlterPartitionAssignmentsResponse](w, 0, reassignRequest(topic, []int32{leader, other}))); codes[0] != 0 {
		ps.t.Fatalf("reassign: code %d", codes[0])
	}
	ps.await(fmt.Sprintf("broker %d to lead", leader), func() bool {
		ask[*kmsg.ElectLeadersResponse](w, 2, leaderRequest(0, topic, 0))
		return ps.at(ps.all[3], topic, 0).Leader == protocol.BrokerID(leader)
	})
}

// sendPipelined sends numbered batches without waiting for answers, in bursts and one by one.
func sendPipelined(t *testing.T, nc net.Conn, name string, acks int16, n int) {
	rng := rand.New(rand.NewPCG(uint64(acks), uint64(n)))
	f := kmsg.NewRequestFormatter(kmsg.FormatterClientID(name))
	for i := range n {
		value := fmt.Sprintf("%s %d ", name, i)
		if rng.IntN(4) == 0 {
			value += strings.Repeat("x", rng.IntN(3*hereBytesMax)) // beyond what the reader writes itself
		}
		batch := record.NewBuilder(record.CodecNone)
		batch.Add(record.Record{Timestamp: nowMs(), Value: []byte(value)})
		raw, err := batch.Build()
		if err != nil {
			t.Error(err)
			return
		}
		req := kmsg.NewPtrProduceRequest()
		req.Version, req.Acks, req.TimeoutMillis = 9, acks, 500
		req.Topics = []kmsg.ProduceRequestTopic{{Topic: "a", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: raw}}}}
		if _, err := nc.Write(f.AppendRequest(nil, req, int32(i))); err != nil {
			if acks != 0 { // a refusal without an answer closes the connection
				t.Errorf("%s: send request %d: %v", name, i, err)
			}
			return
		}
		if rng.IntN(8) == 0 {
			time.Sleep(time.Duration(rng.IntN(4000)) * time.Microsecond)
		}
	}
}

// inOrder reads n answers, and counts those without an error.
func inOrder(t *testing.T, nc net.Conn, name string, n int, acked *atomic.Int64) {
	nc.SetReadDeadline(time.Now().Add(5 * time.Minute))
	for i := range n {
		var head [8]byte
		if _, err := io.ReadFull(nc, head[:]); err != nil {
			t.Errorf("%s: answer %d: %v", name, i, err)
			return
		}
		if id := binary.BigEndian.Uint32(head[4:]); id != uint32(i) {
			t.Errorf("%s: answer %d comes where %d is awaited", name, id, i)
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[:])-4)
		resp := kmsg.NewPtrProduceResponse()
		resp.Version = 9
		if _, err := io.ReadFull(nc, body); err != nil {
			t.Errorf("%s: answer %d: %v", name, i, err)
			return
		}
		if err := resp.ReadFrom(body[1:]); err != nil { // behind the header's tags
			t.Errorf("%s: answer %d: %v", name, i, err)
			return
		}
		if resp.Topics[0].Partitions[0].ErrorCode == 0 {
			acked.Add(1)
		}
	}
}

// checkOrder reads the log, and reports whether each writer that is answered has
// written in a round, and was disturbed.
func checkOrder(t *testing.T, ps *peers, round int, writers *orderedWriters, disturbed int) bool {
	t.Helper()
	leader := ps.partition(1, "a", 0)
	ps.await("broker 1 to lead, and all to be committed", func() bool {
		return leader.State().Role == replica.RoleLeader && leader.HighWatermark() == leader.End()
	})
	last, written := map[string]int{}, map[string]int{}
	for raw := logBytes(t, leader); len(raw) > 0 && !t.Failed(); {
		b, size, err := record.View(raw)
		if err != nil {
			t.Fatal(err)
		}
		raw = raw[size:]
		recs, err := b.Open(record.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for w := recs.Walk(); w.Next(); {
			var name string
			var number int
			fmt.Sscan(string(w.Value[:min(len(w.Value), 20)]), &name, &number)
			if before, some := last[name]; some && number <= before {
				t.Errorf("%s: offset %d holds request %d, behind request %d", name, b.BaseOffset(), number, before)
			}
			last[name] = number
			written[name]++
		}
		recs.Release()
	}
	t.Logf("round %d: disturbed %d times; written: %v", round, disturbed, written)
	shown := disturbed > 0
	for i, acks := range orderedAcks[:3] {
		name, acked := orderedName(round, i), int(writers.acked[i].Load())
		if acks == -1 && written[name] < acked {
			t.Errorf("%s: %d records were acknowledged by all in sync, and %d are in the log", name, acked, written[name])
		}
		shown = shown && written[name] > 0
	}
	return shown
}
