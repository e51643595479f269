package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

// Refusals are remembered by the broker that made them, and who wrote a lock is
// known to who leads its partition. So what is the cluster's is asked of all
// brokers: those whose addresses were typed, and the others where they have told
// that they are.

// AskedBroker is a broker that is to be asked, or why it cannot be.
type AskedBroker struct {
	ID   int32
	Addr string
	Why  error // of the newest try; nil: it answers
}

// brokersKnown is what a broker says of all.
type brokersKnown struct {
	Broker     int32      `json:"broker"`
	ClusterID  string     `json:"cluster_id"`
	StaleSince *time.Time `json:"stale_since"`
	Brokers    []struct {
		ID   int32  `json:"id"`
		Live bool   `json:"live"`
		HTTP string `json:"http"`
	} `json:"brokers"`
}

// EveryBroker finds all brokers of the cluster, in the order of their ids.
func (h *HTTP) EveryBroker(ctx context.Context, addrs []string) ([]AskedBroker, error) {
	said, err := h.askWhoIsThere(ctx, addrs)
	if err != nil {
		return nil, err
	}
	all := map[int32]AskedBroker{}
	for addr, k := range said {
		all[k.Broker] = AskedBroker{ID: k.Broker, Addr: addr}
	}
	for _, k := range said {
		for _, b := range k.Brokers {
			if have, ok := all[b.ID]; ok && have.Addr != "" {
				continue
			}
			all[b.ID] = AskedBroker{ID: b.ID, Addr: b.HTTP, Why: whyNotAsked(b.Live, b.HTTP)}
		}
	}
	var brokers []AskedBroker
	for _, b := range all {
		brokers = append(brokers, b)
	}
	slices.SortFunc(brokers, func(a, b AskedBroker) int { return cmp.Compare(a.ID, b.ID) })
	return brokers, nil
}

func whyNotAsked(live bool, addr string) error {
	switch {
	case !live:
		return errors.New("it is down")
	case addr == "":
		return errors.New("it has told no HTTP address; name it with --http")
	}
	return nil
}

// askWhoIsThere asks each address that was typed, and wants one answer at least.
func (h *HTTP) askWhoIsThere(ctx context.Context, addrs []string) (map[string]brokersKnown, error) {
	answers, errs := make([]brokersKnown, len(addrs)), make([]error, len(addrs))
	ForEach(len(addrs), func(i int) {
		a, err := h.Get(ctx, addrs[i], nil, "v1", "brokers")
		if IsStatus(err, http.StatusNotFound) {
			err = fmt.Errorf("%s does not know its cluster; is it a Lockstep HTTP address, of a broker that is no older than "+
				"this command?", addrs[i])
		}
		if err == nil {
			err = a.Into(&answers[i])
		}
		errs[i] = err
	})
	said := map[string]brokersKnown{}
	cluster := ""
	for i, addr := range addrs {
		if errs[i] != nil {
			continue
		}
		if cluster != "" && cluster != answers[i].ClusterID {
			return nil, fmt.Errorf("%s is of another cluster than the addresses before it", addr)
		}
		cluster, said[addr] = answers[i].ClusterID, answers[i]
	}
	if len(said) == 0 {
		return nil, errs[0]
	}
	return said, nil
}

// Ask asks every broker that can be asked, and hands each answer to take, in the
// order of the brokers. It notes who could not be asked. An error is one of the
// question itself, which none has an answer to.
func (h *HTTP) Ask(ctx context.Context, brokers []AskedBroker, take func(b AskedBroker, a HTTPAnswer) error,
	query url.Values, parts ...string) error {
	answers, errs := make([]HTTPAnswer, len(brokers)), make([]error, len(brokers))
	ForEach(len(brokers), func(i int) {
		if brokers[i].Why == nil {
			answers[i], errs[i] = h.GetFrom(ctx, brokers[i], query, parts...)
		}
	})
	var refused error
	taken := 0
	for i := range brokers {
		var status *StatusError
		switch err := errs[i]; {
		case brokers[i].Why != nil:
		case err == nil:
			taken++
			if err := take(brokers[i], answers[i]); err != nil {
				return err
			}
		case errors.As(err, &status) && status.status < http.StatusInternalServerError:
			refused = err // or it has not heard of a topic that others know
		default:
			brokers[i].Why = err
		}
	}
	if taken == 0 && refused != nil {
		return refused
	}
	return ctx.Err()
}

// GetFrom is get from a certain broker: on another machine the same address may
// be another's.
func (h *HTTP) GetFrom(ctx context.Context, b AskedBroker, query url.Values, parts ...string) (HTTPAnswer, error) {
	a, err := h.Get(ctx, b.Addr, query, parts...)
	if a.broker != noBroker && a.broker != b.ID {
		return a, fmt.Errorf("%s is broker %d; name its address with --http", b.Addr, a.broker)
	}
	return a, err
}

// Unasked says who could not be asked, and is an error if there are any.
func Unasked(w io.Writer, brokers []AskedBroker) error {
	var failed error
	for _, b := range brokers {
		if b.Why != nil {
			fmt.Fprintf(w, "lockstep: broker %d could not be asked: %v\n", b.ID, b.Why)
			failed = ErrNegative
		}
	}
	return failed
}

// AllBrokers is what the commands share that ask every broker.
type AllBrokers struct {
	Streams *Streams
	HTTP    HTTP
	Format  Format
}

// Flags adds the flags of HTTP and Format.
func (c *AllBrokers) Flags(cmd *cobra.Command) *cobra.Command {
	c.HTTP.Flags(cmd, c.Streams)
	c.Format.Flag(cmd)
	return cmd
}

// Brokers are all of the cluster.
func (c *AllBrokers) Brokers(cmd *cobra.Command) ([]AskedBroker, error) {
	addrs, err := c.HTTP.Addrs(cmd)
	if err != nil {
		return nil, err
	}
	return c.HTTP.EveryBroker(cmd.Context(), addrs)
}
