package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/internal/cli/command/commandtest"
)

// A group whose members would commit over it is neither reset nor deleted.
func TestAGroupWithMembersIsNeitherResetNorDeleted(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumerGroup("billing"),
		kgo.ConsumeTopics("orders"))
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
		s := commandtest.Quiet()
		args = append(append([]string{"group"}, args...), "-b", cluster.ListenAddrs()[0])
		if code := execute(t.Context(), args, s); code != command.ExitError {
			t.Errorf("%v: exit code %d", args, code)
		}
		if got := s.Err.(*bytes.Buffer).String(); !strings.Contains(got, `group "billing" has members; stop them first`) {
			t.Errorf("%v: said %q", args, got)
		}
	}
}
