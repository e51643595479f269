package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The whole of a described group as a person sees it: the total first.
func TestADescribedGroupBeginsWithItsTotalLag(t *testing.T) {
	instance := "till-1"
	members := []kadm.DescribedGroupMember{
		{MemberID: "till-1-a", InstanceID: &instance, ClientID: "till", ClientHost: "/10.0.0.1"},
		{MemberID: "c-b", ClientID: "c", ClientHost: "/10.0.0.2"},
	}
	lag := func(p int32, m *kadm.DescribedGroupMember, committed, end int64) kadm.GroupMemberLag {
		behind := end - committed
		if committed < 0 {
			behind = end
		}
		return kadm.GroupMemberLag{Topic: "orders", Partition: p, Member: m, Lag: behind,
			Commit: kadm.Offset{At: committed}, End: kadm.ListedOffset{Offset: end}}
	}
	d := describeGroup(kadm.DescribedGroupLag{
		Group: "billing", State: "Stable", Protocol: "range", Coordinator: kadm.BrokerDetail{NodeID: 1}, Members: members,
		Lag: kadm.GroupLag{"orders": {0: lag(0, &members[0], 5, 12), 1: lag(1, &members[0], -1, 3), 2: lag(2, &members[1], 9, 9)}},
	})
	var out bytes.Buffer
	text := formatText
	if err := text.render(&out, d, d.print); err != nil {
		t.Fatal(err)
	}
	const want = `GROUP billing  LAG 10  STATE Stable  MEMBERS 2  COORDINATOR 1

TOPIC   LAG
orders  10

TOPIC   PARTITION  COMMITTED  END  LAG  MEMBER
orders  0          5          12   7    till-1-a
orders  1          -          3    3    till-1-a
orders  2          9          9    0    c-b

MEMBER    INSTANCE  CLIENT  HOST       PARTITIONS
till-1-a  till-1    till    /10.0.0.1  2
c-b       -         c       /10.0.0.2  1
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A group whose members would commit over it is neither reset nor deleted.
func TestAGroupWithMembersIsNeitherResetNorDeleted(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumerGroup("billing"), kgo.ConsumeTopics("orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for adm := kadm.NewClient(cl); ; {
		gs, err := adm.DescribeGroups(t.Context(), "billing")
		if err != nil {
			t.Fatal(err)
		}
		if gs["billing"].State == "Stable" {
			break
		}
	}
	for _, args := range [][]string{{"reset", "billing", "--topic", "orders", "-o", "start"}, {"delete", "billing"}} {
		s := quiet()
		args = append(append([]string{"group"}, args...), "-b", cluster.ListenAddrs()[0])
		if code := execute(t.Context(), args, s); code != exitError {
			t.Errorf("%v: exit code %d", args, code)
		}
		if got := s.err.(*bytes.Buffer).String(); !strings.Contains(got, `group "billing" has members; stop them first`) {
			t.Errorf("%v: said %q", args, got)
		}
	}
}
