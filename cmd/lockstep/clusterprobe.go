package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
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

// probePatience is how long a broker may take to say that it is there.
const probePatience = 2 * time.Second

// probe asks all brokers that are listed, in the order of their ids.
func (c *cluster) probe(ctx context.Context, cl *kgo.Client, listed kadm.BrokerDetails) []probedBroker {
	ctx, cancel := within(ctx, min(probePatience, c.timeout/2))
	defer cancel()
	probed := make([]probedBroker, len(listed))
	each(len(listed), func(i int) { probed[i] = probeOne(ctx, cl, listed[i].NodeID) })
	slices.SortFunc(probed, func(a, b probedBroker) int { return cmp.Compare(a.id, b.id) })
	return probed
}

func probeOne(ctx context.Context, cl *kgo.Client, id int32) probedBroker {
	p := probedBroker{id: id}
	answered := make(chan struct{})
	go func() { // the client library does not look at ctx while it makes a connection
		defer close(answered)
		p.staleSince, p.err = askStale(ctx, cl.Broker(int(id)))
	}()
	select {
	case <-answered:
		return p
	case <-ctx.Done():
		return probedBroker{id: id, err: context.Cause(ctx)}
	}
}

// askStale asks a broker, or any, since when its metadata stands still; nil: it does not.
func askStale(ctx context.Context, r kmsg.Requestor) (since *time.Time, err error) {
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

// tellProbed says who does not answer, which is an error, and who is cut off from
// the metadata store.
func tellProbed(w io.Writer, probed []probedBroker) (failed error) {
	for _, p := range probed {
		switch {
		case p.err != nil:
			fmt.Fprintf(w, "lockstep: broker %d is in the metadata and does not answer\n", p.id)
			failed = errNegative
		case p.staleSince != nil:
			tellStale(w, fmt.Sprintf("broker %d", p.id), *p.staleSince)
		}
	}
	return failed
}

func tellStale(w io.Writer, who string, since time.Time) {
	fmt.Fprintf(w, "lockstep: %s has no contact with the metadata store: leaders and replicas may be as of %s\n", who, since.UTC().Format(time.RFC3339))
}

// noteStale says so where the broker that was asked shows metadata that stands
// still.
func noteStale(ctx context.Context, w io.Writer, cl kmsg.Requestor) {
	if since, err := askStale(ctx, cl); err == nil && since != nil {
		tellStale(w, "the broker that was asked", *since)
	}
}
