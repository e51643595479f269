package cluster

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// The metadata lists a broker until the others have noticed that it is gone, and
// without a quorum they never do. So whoever shows which brokers there are asks
// each of them.

// probedBroker is a broker that the metadata lists.
type probedBroker struct {
	id         int32
	err        error      // nil: it answers
	staleSince *time.Time // since when it has had no contact with the metadata store, if it has none
}

func (p probedBroker) state() string {
	switch {
	case p.err != nil:
		return "no answer"
	case p.staleSince != nil:
		return "stale"
	}
	return "live"
}

// probeTimeout is how long a broker may take to say that it is there.
const probeTimeout = 2 * time.Second

// probe asks all brokers that are listed, in the order of their ids.
func probe(ctx context.Context, c *command.Cluster, cl *kgo.Client, listed kadm.BrokerDetails) []probedBroker {
	ctx, cancel := command.Within(ctx, min(probeTimeout, c.Timeout/2))
	defer cancel()
	probed := make([]probedBroker, len(listed))
	command.ForEach(len(listed), func(i int) { probed[i] = probeOne(ctx, cl, listed[i].NodeID) })
	slices.SortFunc(probed, func(a, b probedBroker) int { return cmp.Compare(a.id, b.id) })
	return probed
}

func probeOne(ctx context.Context, cl *kgo.Client, id int32) probedBroker {
	p := probedBroker{id: id}
	answered := make(chan struct{})
	go func() { // the client library does not look at ctx while it makes a connection
		defer close(answered)
		p.staleSince, p.err = command.AskStale(ctx, cl.Broker(int(id)))
	}()
	select {
	case <-answered:
		return p
	case <-ctx.Done():
		return probedBroker{id: id, err: context.Cause(ctx)}
	}
}

// reportProbed says who does not answer, which is an error, and who is cut off from
// the metadata store.
func reportProbed(w io.Writer, probed []probedBroker) (failed error) {
	for _, p := range probed {
		switch {
		case p.err != nil:
			fmt.Fprintf(w, "lockstep: broker %d is in the metadata and does not answer\n", p.id)
			failed = command.ErrNegative
		case p.staleSince != nil:
			command.PrintStale(w, fmt.Sprintf("broker %d", p.id), *p.staleSince)
		}
	}
	return failed
}
