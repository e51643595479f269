package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

// Refusals are remembered by the broker that made them, and who wrote a lock is
// known to who leads its partition. So what is the cluster's is asked of all
// brokers: those whose addresses were typed, and the others where they have told
// that they are.

// askedBroker is a broker that is to be asked, or why it cannot be.
type askedBroker struct {
	id   int32
	addr string
	why  error // of the newest try; nil: it answers
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

// everyBroker finds all brokers of the cluster, in the order of their ids.
func (h *httpAPI) everyBroker(ctx context.Context, addrs []string) ([]askedBroker, error) {
	said, err := h.askWhoIsThere(ctx, addrs)
	if err != nil {
		return nil, err
	}
	all := map[int32]askedBroker{}
	for addr, k := range said {
		all[k.Broker] = askedBroker{id: k.Broker, addr: addr}
	}
	for _, k := range said {
		for _, b := range k.Brokers {
			if have, ok := all[b.ID]; ok && have.addr != "" {
				continue
			}
			all[b.ID] = askedBroker{id: b.ID, addr: b.HTTP, why: whyNotAsked(b.Live, b.HTTP)}
		}
	}
	var brokers []askedBroker
	for _, b := range all {
		brokers = append(brokers, b)
	}
	slices.SortFunc(brokers, func(a, b askedBroker) int { return cmp.Compare(a.id, b.id) })
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
func (h *httpAPI) askWhoIsThere(ctx context.Context, addrs []string) (map[string]brokersKnown, error) {
	answers, errs := make([]brokersKnown, len(addrs)), make([]error, len(addrs))
	each(len(addrs), func(i int) {
		a, err := h.get(ctx, addrs[i], nil, "v1", "brokers")
		if isStatus(err, http.StatusNotFound) {
			err = fmt.Errorf("%s does not know its cluster; is it a Lockstep HTTP address, of a broker that is no older than this command?", addrs[i])
		}
		if err == nil {
			err = a.into(&answers[i])
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

// askedAtOnceMax bounds how many requests are under way.
const askedAtOnceMax = 8

// each calls do for 0 to n-1, some at a time, and waits for all.
func each(n int, do func(i int)) {
	var all sync.WaitGroup
	room := make(chan struct{}, askedAtOnceMax)
	for i := range n {
		room <- struct{}{}
		all.Go(func() { do(i); <-room })
	}
	all.Wait()
}

// ask asks every broker that can be asked, and hands each answer to take, in the
// order of the brokers. It notes who could not be asked. An error is one of the
// question itself, which none has an answer to.
func (h *httpAPI) ask(ctx context.Context, brokers []askedBroker, take func(b askedBroker, a httpAnswer) error, query url.Values, parts ...string) error {
	answers, errs := make([]httpAnswer, len(brokers)), make([]error, len(brokers))
	each(len(brokers), func(i int) {
		if brokers[i].why == nil {
			answers[i], errs[i] = h.getFrom(ctx, brokers[i], query, parts...)
		}
	})
	var refused error
	taken := 0
	for i := range brokers {
		var status *statusError
		switch err := errs[i]; {
		case brokers[i].why != nil:
		case err == nil:
			taken++
			if err := take(brokers[i], answers[i]); err != nil {
				return err
			}
		case errors.As(err, &status) && status.status < http.StatusInternalServerError:
			refused = err // or it has not heard of a topic that others know
		default:
			brokers[i].why = err
		}
	}
	if taken == 0 && refused != nil {
		return refused
	}
	return ctx.Err()
}

// getFrom is get from a certain broker: on another machine the same address may
// be another's.
func (h *httpAPI) getFrom(ctx context.Context, b askedBroker, query url.Values, parts ...string) (httpAnswer, error) {
	a, err := h.get(ctx, b.addr, query, parts...)
	if a.broker != noBroker && a.broker != b.id {
		return a, fmt.Errorf("%s is broker %d; name its address with --http", b.addr, a.broker)
	}
	return a, err
}

// unasked says who could not be asked, and is an error if there are any.
func unasked(w io.Writer, brokers []askedBroker) error {
	var failed error
	for _, b := range brokers {
		if b.why != nil {
			fmt.Fprintf(w, "lockstep: broker %d could not be asked: %v\n", b.id, b.why)
			failed = errNegative
		}
	}
	return failed
}

// clusterCommand is what the commands share that ask every broker.
type clusterCommand struct {
	s      *streams
	http   httpAPI
	format format
}

func (c *clusterCommand) flags(cmd *cobra.Command) *cobra.Command {
	c.http.flags(cmd, c.s)
	c.format.flag(cmd)
	return cmd
}

// brokers are all of the cluster.
func (c *clusterCommand) brokers(cmd *cobra.Command) ([]askedBroker, error) {
	addrs, err := c.http.addrs(cmd)
	if err != nil {
		return nil, err
	}
	return c.http.everyBroker(cmd.Context(), addrs)
}
