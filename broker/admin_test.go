package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A stock admin client goes through a topic's life; it chooses versions,
// brokers and requests itself.
func TestAStockAdminClientManagesATopic(t *testing.T) {
	s, cl := startServer(t)
	adm, ctx := kadm.NewClient(cl), t.Context()
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}

	made, err := adm.CreateTopic(ctx, 2, -1, map[string]*string{"retention.ms": kmsg.StringPtr("777")}, "a")
	must("create", err)
	brokers, err := adm.BrokerMetadata(ctx)
	must("brokers", err)
	if len(brokers.Brokers) != 1 || brokers.Controller != 1 || brokers.Cluster != s.cluster.Image().ClusterID {
		t.Errorf("%+v", brokers)
	}
	topics, err := adm.ListTopics(ctx)
	must("list topics", err)
	if len(topics) != 1 || topics["a"].ID != made.ID || len(topics["a"].Partitions) != 2 {
		t.Errorf("%+v", topics)
	}
	configs, err := adm.DescribeTopicConfigs(ctx, "a")
	must("describe", err)
	on, err := configs.On("a", nil)
	must("describe", err)
	if len(on.Configs) < 30 {
		t.Errorf("%d settings", len(on.Configs))
	}
	_, err = adm.DescribeBrokerConfigs(ctx, 1)
	must("describe broker", err)
	altered, err := adm.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: kmsg.StringPtr("-1")}}, "a")
	must("alter", err)
	_, err = altered.On("a", func(r *kadm.AlterConfigsResponse) error { return r.Err })
	must("alter", err)
	added, err := adm.CreatePartitions(ctx, 1, "a")
	must("add partitions", err)
	must("add partitions", added.Error())

	write(t, cl, "a", 2, 1000, 2000, 3000)
	for what, list := range map[string]func() (kadm.ListedOffsets, error){
		"3": func() (kadm.ListedOffsets, error) { return adm.ListEndOffsets(ctx, "a") },
		"0": func() (kadm.ListedOffsets, error) { return adm.ListStartOffsets(ctx, "a") },
		"1": func() (kadm.ListedOffsets, error) { return adm.ListOffsetsAfterMilli(ctx, 1500, "a") },
		"2": func() (kadm.ListedOffsets, error) { return adm.ListMaxTimestampOffsets(ctx, "a") },
	} {
		listed, err := list()
		must("offsets", err)
		must("offsets", listed.Error())
		if o, _ := listed.Lookup("a", 2); what != string(rune('0'+o.Offset)) {
			t.Errorf("offset %d, want %s", o.Offset, what)
		}
	}
	producers, err := adm.DescribeProducers(ctx, topics.TopicsSet())
	must("producers", err)
	producers.EachPartition(func(p kadm.DescribedProducersPartition) { must("producers", p.Err) })
	dirs, err := adm.DescribeAllLogDirs(ctx, nil)
	must("log dirs", err)
	if dirs[1].Size() <= 0 {
		t.Errorf("the log dirs hold %d bytes", dirs[1].Size())
	}
	var before kadm.Offsets
	before.Add(kadm.Offset{Topic: "a", Partition: 2, At: 2})
	deleted, err := adm.DeleteRecords(ctx, before)
	must("delete records", err)
	must("delete records", deleted.Error())
	gone, err := adm.DeleteTopics(ctx, "a")
	must("delete", err)
	must("delete", gone.Error())
	if n := len(s.cluster.Image().Topics()); n != 0 {
		t.Errorf("%d topics are left", n)
	}
}
