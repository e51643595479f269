package records

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol"
)

// TestTheEndOfAnAppendIsWordedForAPerson: a refusal in the broker's text, a result
// that nobody knows with what to do about it, and else why it was not written.
func TestTheEndOfAnAppendIsWordedForAPerson(t *testing.T) {
	parsed := func(text string) error {
		e, ok := client.Parse(text)
		if !ok {
			t.Fatal(text)
		}
		return e
	}
	few := fmt.Errorf("%w: 1 of 2", kerr.NotEnoughReplicas)
	for _, c := range []struct {
		err              error
		id               bool
		text             string
		refused, unknown bool
	}{
		{parsed("CONFLICT lock=a last=1 basis=0 by=- record=0: read on"), false,
			"CONFLICT lock=a last=1 basis=0 by=- record=0: read on", true, false},
		{parsed("MALFORMED record=0: so"), false, "MALFORMED record=0: so", false, false},
		{&client.Interruption{Err: context.DeadlineExceeded, Last: few}, false, few.Error(), false, false},
		{&client.Interruption{Err: context.Canceled}, false, context.Canceled.Error(), false, false},
		{&client.Interruption{Err: context.DeadlineExceeded, Last: few, Sent: true}, false,
			"the append may or may not be in the log: " +
				few.Error() + "; give it a name with --id and it can be sent again safely", false, true},
		{&client.Interruption{Err: context.DeadlineExceeded, Last: few, Sent: true}, true,
			"the append may or may not be in the log: " + few.Error() + "; run the same command again", false, true},
	} {
		r := &kgo.Record{}
		if c.id {
			r.Headers = []kgo.RecordHeader{{Key: protocol.HeaderLockID, Value: []byte("req-1")}}
		}
		err := outcome(r, c.err)
		if err.Error() != c.text {
			t.Errorf("%v: %q, want %q", c.err, err, c.text)
		}
		if refused := errors.As(err, new(*command.RefusedError)); refused != c.refused {
			t.Errorf("%v: refused %v", c.err, refused)
		}
		if errors.Is(err, command.ErrUnknownResult) != c.unknown {
			t.Errorf("%v: unknown %v", c.err, !c.unknown)
		}
	}
	if err := outcome(&kgo.Record{}, nil); err != nil {
		t.Error(err)
	}
}
