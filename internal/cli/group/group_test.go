package group

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/lockstep-log/lockstep/internal/cli/command"
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
		Lag: kadm.GroupLag{"orders": {0: lag(0, &members[0], 5, 12), 1: lag(1, &members[0], -1, 3),
			2: lag(2, &members[1], 9, 9)}},
	})
	var out bytes.Buffer
	text := command.FormatText
	if err := text.Render(&out, d, d.print); err != nil {
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
