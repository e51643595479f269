package broker

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// TestABrokerKeepsTheOrderOfAConnection: producers without sequences, many
// requests under way on each connection, large and small, while the in-sync
// replicas shrink below what acks=all needs and the leadership moves away and
// back. Batches may be refused; of those that are written none comes before one
// that its connection sent earlier, and the answers come in the requests' order.
func TestABrokerKeepsTheOrderOfAConnection(t *testing.T) {
	ps := startPeers(t, 3, func(c *Config) { c.LagTimeMax = 200 * time.Millisecond })
	ps.create("a", 1, 1, 2)
	ps.partition(1, "a", 0)
	const each = 1500
	var writers sync.WaitGroup
	for i, acks := range []int16{-1, -1, 1, 0} {
		name := fmt.Sprintf("w%d", i)
		nc, err := net.Dial("tcp", ps.all[1].Addr(""))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		writers.Go(func() { sendPipelined(t, nc, name, acks, each) })
		if acks != 0 {
			writers.Go(func() { inOrder(t, nc, name, each) })
		}
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	elector := dial(t, ps.all[3].Addr(""))
	for disturbed := 0; ; disturbed++ {
		select {
		case <-done:
			checkOrder(t, ps, each, disturbed)
			return
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

// inOrder reads n answers.
func inOrder(t *testing.T, nc net.Conn, name string, n int) {
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
		if _, err := io.CopyN(io.Discard, nc, int64(binary.BigEndian.Uint32(head[:]))-4); err != nil {
			t.Errorf("%s: answer %d: %v", name, i, err)
			return
		}
	}
}

// checkOrder reads the log.
func checkOrder(t *testing.T, ps *peers, each, disturbed int) {
	last, written, backwards := map[string]int{}, map[string]int{}, 0
	for raw := logBytes(t, ps.partition(1, "a", 0)); len(raw) > 0; {
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
				backwards++
				t.Errorf("%s: offset %d holds request %d, behind request %d", name, b.BaseOffset(), number, before)
			}
			last[name] = number
			written[name]++
		}
		recs.Release()
		if backwards > 10 {
			return
		}
	}
	t.Logf("disturbed %d times; of %d requests each, written: %v", disturbed, each, written)
	for _, name := range []string{"w0", "w1", "w2"} {
		if written[name] == 0 || disturbed == 0 {
			t.Errorf("%s has written %d records, and was disturbed %d times: this shows nothing", name, written[name], disturbed)
		}
	}
}
