package cluster

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// replaced is a broker whose place in etcd is free for a new one.
type replaced struct {
	Broker int32  `json:"broker" yaml:"broker"`
	Status string `json:"status" yaml:"status"`
}

// replaceMember has a broker that lives make room for one that has lost its
// directory.
func replaceMember(cmd *cobra.Command, t *command.Kafka, id int32) error {
	ctx := cmd.Context()
	client, err := t.Cluster.Connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := removeVoter(ctx, client, id); err != nil {
		return err
	}
	fmt.Fprintf(t.Streams.Err, "lockstep: start broker %d now, with the settings that it had, on an empty directory\n", id)
	done := replaced{Broker: id, Status: "replaced"}
	return t.Format.Render(t.Streams.Out, done, func(w io.Writer) { fmt.Fprintf(w, "%s %d\n", done.Status, id) })
}

func removeVoter(ctx context.Context, client *kgo.Client, id int32) error {
	req := kmsg.NewPtrRemoveRaftVoterRequest()
	req.VoterID = id
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("replace broker %d: %w", id, err)
	}
	if resp.ErrorCode == 0 {
		return nil
	}
	if resp.ErrorMessage != nil {
		return fmt.Errorf("%s (%s)", *resp.ErrorMessage, kerr.ErrorForCode(resp.ErrorCode).(*kerr.Error).Message)
	}
	return kerr.ErrorForCode(resp.ErrorCode)
}
