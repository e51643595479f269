package command

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
)

// AskStale asks a broker, or any, since when its metadata stands still; nil: it does not.
func AskStale(ctx context.Context, r kmsg.Requestor) (since *time.Time, err error) {
	resp, err := kmsg.NewPtrDescribeClusterRequest().RequestWith(ctx, r)
	if err != nil {
		return nil, err
	}
	resp.UnknownTags.Each(func(tag uint32, value []byte) {
		if at, ok := protocol.StaleSince(value); ok && tag == protocol.TagStale {
			at = at.UTC()
			since = &at
		}
	})
	return since, nil
}

// PrintStale says since when metadata is not up to date.
func PrintStale(w io.Writer, who string, since time.Time) {
	fmt.Fprintf(w, "lockstep: %s has no contact with the metadata store: leaders and replicas may be as of %s\n", who,
		since.UTC().Format(time.RFC3339))
}

// NoteStale says so where the broker that was asked shows metadata that stands
// still.
func NoteStale(ctx context.Context, w io.Writer, cl kmsg.Requestor) {
	if since, err := AskStale(ctx, cl); err == nil && since != nil {
		PrintStale(w, "the broker that was asked", *since)
	}
}
