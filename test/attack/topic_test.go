package attack

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker"
	"github.com/lockstep-log/lockstep/protocol/record"
)

var badNames = []string{"", ".", "..", "../../etc", "/etc/passwd", "a/b", "a\\b", "a b", "a\nb", "a\x00b", "ä", "\xff",
	strings.Repeat("x", 250), strings.Repeat("x", 30_000), "%2e%2e"}

func TestATopicNameThatIsAPathIsRefused(t *testing.T) {
	dir := ""
	v := attacked(t, func(c *broker.Config) { c.DataDir = filepath.Join(c.DataDir, "data"); dir = c.DataDir })
	b := v.bystand()
	s := v.dial()
	for _, name := range badNames {
		create := kmsg.NewPtrCreateTopicsRequest()
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, 1, -1
		create.Topics = append(create.Topics, rt)
		if code := ask[*kmsg.CreateTopicsResponse](s, create, 7).Topics[0].ErrorCode; code != 17 {
			t.Errorf("create %.20q: code %d, want INVALID_TOPIC_EXCEPTION", name, code)
		}
		meta := kmsg.NewPtrMetadataRequest()
		meta.AllowAutoTopicCreation = true
		meta.Topics = []kmsg.MetadataRequestTopic{{Topic: kmsg.StringPtr(name)}}
		if code := ask[*kmsg.MetadataResponse](s, meta, 9).Topics[0].ErrorCode; code == 0 {
			t.Errorf("metadata of %.20q: created", name)
		}
		if code := s.produce(name, batchOf(t, record.Record{Value: []byte("v")})).ErrorCode; code == 0 {
			t.Errorf("produce to %.20q: written", name)
		}
	}
	logs, err := os.ReadDir(filepath.Join(dir, "logs"))
	if err != nil || len(logs) != 1 {
		t.Errorf("%d directories, want the bystander's alone (%v)", len(logs), err)
	}
	around, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(around) != 1 {
		t.Errorf("something was made beside the data directory: %v (%v)", around, err)
	}
	b.stillServed()
}

func TestACountOfPartitionsThatNobodyCanHostIsRefused(t *testing.T) {
	v := attacked(t)
	b := v.bystand()
	s := v.dial()
	for _, n := range []int32{0, -2, 1_000_000, 1<<31 - 1, -1 << 31} {
		create := kmsg.NewPtrCreateTopicsRequest()
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic, rt.NumPartitions, rt.ReplicationFactor = "huge", n, -1
		create.Topics = append(create.Topics, rt)
		if code := ask[*kmsg.CreateTopicsResponse](s, create, 7).Topics[0].ErrorCode; code == 0 {
			t.Errorf("%d partitions: created", n)
		}
		more := kmsg.NewPtrCreatePartitionsRequest()
		more.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: bystanderTopic, Count: n}}
		if code := ask[*kmsg.CreatePartitionsResponse](s, more, 3).Topics[0].ErrorCode; code == 0 {
			t.Errorf("grown to %d partitions", n)
		}
	}
	b.stillServed()
}

func TestAFloodOfTopicsLeavesOthersServed(t *testing.T) {
	v := attacked(t)
	b := v.bystand()
	s := v.dial()
	meta := kmsg.NewPtrMetadataRequest()
	meta.AllowAutoTopicCreation = true
	const asked, mostAtOnce = 1_000, 100
	for i := range asked {
		meta.Topics = append(meta.Topics, kmsg.MetadataRequestTopic{Topic: kmsg.StringPtr(fmt.Sprintf("flood-%d", i))})
	}
	resp := ask[*kmsg.MetadataResponse](s, meta, 9)
	created := 0
	for _, t := range resp.Topics {
		if t.ErrorCode == 0 {
			created++
		}
	}
	if len(resp.Topics) != asked || created > mostAtOnce {
		t.Errorf("%d topics answered, %d created by one request", len(resp.Topics), created)
	}
	b.stillServed()
}
