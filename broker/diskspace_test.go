package broker

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/partitions/disktest"
	"github.com/lockstep-log/lockstep/protocol/record"
)

func comesTo(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// TestOnAFullDiskReadsGoOnAndWritesAreRefusedUntilThereIsRoom, without a restart.
func TestOnAFullDiskReadsGoOnAndWritesAreRefusedUntilThereIsRoom(t *testing.T) {
	disk := disktest.New()
	s, cl := startServerOn(t, disk)
	running, start := filepath.Join(s.cfg.DataDir, "reserve.run"), filepath.Join(s.cfg.DataDir, "reserve.start")
	comesTo(t, "room is reserved", func() bool { return disk.Has(running) && disk.Has(start) })
	w := dial(t, s.Addr(""))
	adm := kadm.NewClient(cl)
	if _, err := adm.CreateTopics(t.Context(), 1, 1, nil, "t", "gone"); err != nil {
		t.Fatal(err)
	}
	produce := func() kmsg.ProduceResponseTopicPartition {
		b, err := record.NewBuilder(record.CodecNone).Add(record.Record{Value: []byte("v"), Timestamp: time.Now().UnixMilli()}).Build()
		if err != nil {
			t.Fatal(err)
		}
		req := kmsg.NewPtrProduceRequest()
		req.Acks, req.TimeoutMillis = -1, 1000
		rt := kmsg.NewProduceRequestTopic()
		rp := kmsg.NewProduceRequestTopicPartition()
		rt.Topic, rp.Records = "t", b
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		return ask[*kmsg.ProduceResponse](w, 9, req).Topics[0].Partitions[0]
	}
	const storageError = 56
	if p := produce(); p.ErrorCode != 0 {
		t.Fatalf("before: code %d", p.ErrorCode)
	}

	disk.SetFree(40 << 20)
	time.Sleep(100 * time.Millisecond) // a look is good for half of it
	if p := produce(); p.ErrorCode != storageError || p.ErrorMessage == nil || !strings.Contains(*p.ErrorMessage, "the disk has 40.0 MiB free, and 64.0 MiB are to stay so") {
		t.Fatalf("below the floor: %+v", p)
	}
	if h := s.health(); h.Healthy || len(h.Problems) != 1 || !strings.Contains(h.Problems[0], "writes are refused") {
		t.Errorf("health is %+v", h)
	}
	read := func() {
		t.Helper()
		offsets, err := adm.ListEndOffsets(t.Context(), "t")
		if err != nil || offsets["t"][0].Offset != 1 {
			t.Errorf("reads: %v, %v", offsets, err)
		}
	}
	read()
	if _, err := adm.DeleteTopic(t.Context(), "gone"); err != nil {
		t.Errorf("a deletion: %v", err)
	}
	if err := adm.CommitAllOffsets(t.Context(), "g", kadm.OffsetsFromRecords()); err != nil {
		t.Errorf("a commit: %v", err)
	}
	if !disk.Has(running) {
		t.Error("the reserve was given up too early")
	}

	disk.SetFree(1 << 20)
	comesTo(t, "the running part of the reserve is given up", func() bool { return !disk.Has(running) })
	if !disk.Has(start) {
		t.Error("the part for the start was given up as well")
	}
	comesTo(t, "nobody writes any more", s.disk.Full)
	read()

	disk.SetFree(1 << 29)
	comesTo(t, "there is room again", func() bool { return produce().ErrorCode == 0 })
	comesTo(t, "room is reserved again", func() bool { return disk.Has(running) })
	if h := s.health(); !h.Healthy || len(h.Problems) != 0 {
		t.Errorf("health is %+v", h)
	}
}
