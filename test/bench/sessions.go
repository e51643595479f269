package main

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/test/bench/cpu"
)

// sessions measures what a fetch of many partitions costs a server of which few have
// moved since the fetch before: bench sessions -against 'OLD serve …'. The reader
// takes a fetch session where it is given one, and lists all partitions in each fetch
// where it is not. The moves are made between the fetches, and their cost is left out.
type sessions struct {
	server, against    string
	dir                string
	partitions, moving int
	fetches, rounds    int
}

func runSessions(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var s sessions
	f := flag.NewFlagSet("bench sessions", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&s.server, "server", defaultServer, "the server to measure; {dir} {listen} {http} are filled in")
	f.StringVar(&s.against, "against", "", "a second server, such as an older build, measured in turn with the first")
	f.StringVar(&s.dir, "dir", os.TempDir(), "where the data goes, all of it removed")
	f.IntVar(&s.partitions, "partitions", 2000, "that are read")
	f.IntVar(&s.moving, "moving", 20, "that get a record between two fetches")
	f.IntVar(&s.fetches, "fetches", 500, "of one measurement")
	f.IntVar(&s.rounds, "rounds", 2, "each is there and back again, on fresh servers")
	if err := f.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(s.dir, "bench-sessions-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s.dir = dir
	return s.run(ctx, stdout)
}

func (s sessions) run(ctx context.Context, out io.Writer) error {
	fmt.Fprintf(out, "%d partitions, %d of them moving; CPU and bytes of the request, each fetch\n", s.partitions, s.moving)
	var ratios []float64
	for range s.rounds {
		order := []string{s.server}
		if s.against != "" {
			order = []string{s.server, s.against, s.against, s.server}
		}
		cost := map[string]time.Duration{}
		for i, line := range order {
			label := "server "
			if line == s.against {
				label = "against"
			}
			m, err := s.measure(ctx, line)
			if err != nil {
				return fmt.Errorf("%s: %w", label, err)
			}
			fmt.Fprintf(out, "%s  %8.1f µs  %6d bytes  %8.1f µs until answered  session %v\n",
				label, inMicros(m.cpu), m.bytes, inMicros(m.latency), m.session)
			cost[line] += m.cpu
			if s.against != "" && i%2 == 1 {
				ratios = append(ratios, float64(cost[s.server])/float64(cost[s.against]))
				clear(cost)
			}
		}
	}
	if len(ratios) > 0 {
		slices.Sort(ratios)
		fmt.Fprintf(out, "CPU a fetch, server to against: median %.3f, from %.3f to %.3f\n", ratios[len(ratios)/2], ratios[0], ratios[len(ratios)-1])
	}
	return nil
}

func inMicros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// fetchCost is what one fetch costs, in the mean.
type fetchCost struct {
	cpu, latency time.Duration
	bytes        int
	session      bool
}

func (s sessions) measure(ctx context.Context, line string) (m fetchCost, err error) {
	proc, err := startChild(ctx, line, filepath.Join(s.dir, fmt.Sprint(time.Now().UnixNano())))
	if err != nil {
		return m, err
	}
	defer proc.Stop()
	r, err := newSessionReader(ctx, proc.Addr, s.partitions)
	if err != nil {
		return m, err
	}
	defer r.nc.Close()
	const before = 20 // fetches that are not counted
	for i := range s.fetches + before {
		if i == before {
			m = fetchCost{}
		}
		moved := make([]int32, s.moving)
		for j := range moved {
			moved[j] = int32((i*s.moving + j) * 7919 % s.partitions)
		}
		if err := r.move(moved); err != nil {
			return m, err
		}
		time.Sleep(time.Millisecond) // what the moves leave to be done is not the fetch's
		from, began := time.Duration(0), time.Now()
		if from, err = cpu.Process(proc.Pid()); err != nil {
			return m, err
		}
		if err := r.fetch(moved); err != nil {
			return m, err
		}
		m.latency += time.Since(began)
		time.Sleep(time.Millisecond) // for what is done behind the answer
		to, err := cpu.Process(proc.Pid())
		if err != nil {
			return m, err
		}
		m.cpu += to - from
		m.bytes += r.sent
	}
	n := time.Duration(s.fetches)
	return fetchCost{m.cpu / n, m.latency / n, m.bytes / s.fetches, r.id != 0}, nil
}

// sessionReader reads all partitions of one topic.
type sessionReader struct {
	nc        net.Conn
	topic     string
	topicID   [16]byte
	batch     []byte
	offsets   []int64
	changed   []int32 // whose offset the server has not been told
	id, epoch int32   // of the session; an epoch of -1 is outside of one
	sent      int     // bytes of the last request
}

func newSessionReader(ctx context.Context, addr string, partitions int) (*sessionReader, error) {
	r := &sessionReader{topic: "bench", offsets: make([]int64, partitions)}
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	flush := neverFlush
	t, err := kadm.NewClient(cl).CreateTopic(ctx, int32(partitions), 1, map[string]*string{"flush.messages": &flush}, r.topic)
	if err != nil {
		return nil, err
	}
	r.topicID = t.ID
	b := record.NewBuilder(record.CodecNone)
	b.Add(record.Record{Timestamp: time.Now().UnixMilli(), Value: make([]byte, 100)})
	if r.batch, err = b.Build(); err != nil {
		return nil, err
	}
	for i := range partitions {
		r.changed = append(r.changed, int32(i))
	}
	r.nc, err = (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	return r, err
}

// move appends a record to each of some partitions.
func (r *sessionReader) move(indexes []int32) error {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = 9, 1, 10_000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = r.topic
	for _, i := range indexes {
		rt.Partitions = append(rt.Partitions, kmsg.ProduceRequestTopicPartition{Partition: i, Records: r.batch})
	}
	req.Topics = append(req.Topics, rt)
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	if err := r.ask(req, resp); err != nil {
		return err
	}
	for _, p := range resp.Topics[0].Partitions {
		if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
			return err
		}
	}
	return nil
}

// fetch reads what has moved, and must get exactly that.
func (r *sessionReader) fetch(moved []int32) error {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 16, 500, 1, 50<<20
	req.SessionID, req.SessionEpoch = r.id, r.epoch
	rt := kmsg.NewFetchRequestTopic()
	rt.TopicID = r.topicID
	for _, i := range r.changed {
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = i, r.offsets[i], 1<<20
		rt.Partitions = append(rt.Partitions, rp)
	}
	if len(rt.Partitions) > 0 {
		req.Topics = append(req.Topics, rt)
	}
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	if err := r.ask(req, resp); err != nil {
		return err
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return err
	}
	r.advance(resp.SessionID)
	got := 0
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if len(p.RecordBatches) == 0 {
				continue
			}
			got++
			r.offsets[p.Partition]++
			if r.id != 0 {
				r.changed = append(r.changed, p.Partition)
			}
		}
	}
	if got != len(moved) {
		return fmt.Errorf("records of %d partitions came, of %d that have moved", got, len(moved))
	}
	return nil
}

// advance goes on with the session, or lists all partitions each time without one.
func (r *sessionReader) advance(id int32) {
	if r.id = id; id != 0 {
		r.epoch++
		r.changed = nil
		return
	}
	r.epoch = -1
}

func (r *sessionReader) ask(req kmsg.Request, resp kmsg.Response) error {
	b := kmsg.NewRequestFormatter(kmsg.FormatterClientID("bench")).AppendRequest(nil, req, 1)
	r.sent = len(b)
	if _, err := r.nc.Write(b); err != nil {
		return err
	}
	var size [4]byte
	if _, err := io.ReadFull(r.nc, size[:]); err != nil {
		return err
	}
	answer := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(r.nc, answer); err != nil {
		return err
	}
	resp.SetVersion(req.GetVersion())
	return resp.ReadFrom(answer[5:]) // behind the correlation id and no tags
}
