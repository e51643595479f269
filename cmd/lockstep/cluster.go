package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const defaultBrokers = "127.0.0.1:9092"

// cluster is how a client command reaches the brokers.
type cluster struct {
	brokers string
	timeout time.Duration
}

func (c *cluster) flags(cmd *cobra.Command, s *streams) {
	def := defaultBrokers
	if v := environment(s.environ).value["LOCKSTEP_BROKERS"]; v != "" {
		def = v
	}
	cmd.Flags().StringVarP(&c.brokers, "brokers", "b", def, "brokers to ask first, `HOST:PORT,...`; also LOCKSTEP_BROKERS")
	addTimeoutFlag(cmd, &c.timeout)
}

const defaultTimeout = 10 * time.Second

// addTimeoutFlag adds --timeout to a command that asks brokers.
func addTimeoutFlag(cmd *cobra.Command, to *time.Duration) {
	usage := "how long all of it may take, a `DURATION`"
	if isMarked(cmd, openEnded) {
		usage = "how long all of it may take, a `DURATION`; without it, how long to wait for an answer:"
	}
	cmd.Flags().DurationVar(to, timeoutFlag, defaultTimeout, usage)
}

// connect returns a client that has talked to a broker once, so that a wrong
// address is told as such and not as a timeout of something else.
func (c *cluster) connect(ctx context.Context, opts ...kgo.Opt) (*kgo.Client, error) {
	seeds := splitList(c.brokers)
	if len(seeds) == 0 {
		return nil, errors.New("no broker named; give --brokers HOST:PORT")
	}
	base := []kgo.Opt{
		kgo.SeedBrokers(seeds...),
		kgo.ClientID("lockstep"),
		kgo.RetryTimeout(c.timeout),
		kgo.DialTimeout(min(c.timeout, 5*time.Second)),
		kgo.RequestTimeoutOverhead(max(min(c.timeout, 10*time.Second), 100*time.Millisecond)), // the least that it takes
		kgo.RecordDeliveryTimeout(max(c.timeout, time.Second)),
		kgo.MetadataMinAge(50 * time.Millisecond),
	}
	client, err := kgo.NewClient(append(base, opts...)...)
	if err != nil {
		return nil, err
	}
	if err := c.ping(ctx, client); err != nil {
		client.Close()
		return nil, unreachable(strings.Join(seeds, ","), err)
	}
	return client, nil
}

// ping waits for a first answer. While the client library makes a connection it
// does not look at the context of whoever waits for it, but it does hear that it
// is closed.
func (c *cluster) ping(ctx context.Context, client *kgo.Client) error {
	waiting, cancel := within(ctx, c.timeout)
	defer cancel()
	stop := context.AfterFunc(waiting, client.Close)
	err := client.Ping(waiting)
	if stop() {
		return err
	}
	return waiting.Err()
}

// admin is connect for the commands that only ask and order.
func (c *cluster) admin(ctx context.Context) (*kadm.Client, error) {
	client, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	return c.adminOf(client), nil
}

func (c *cluster) adminOf(client *kgo.Client) *kadm.Client {
	adm := kadm.NewClient(client)
	adm.SetTimeoutMillis(millis(c.timeout))
	return adm
}

// unreachable says which address did not answer and what to do about it.
func unreachable(addr string, err error) error {
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf(`cannot reach a broker at %s: connection refused; start one with "lockstep serve", or name another with --brokers`, addr)
	case errors.As(err, &dns):
		return fmt.Errorf("cannot reach a broker at %s: the name %s is not known", addr, dns.Name)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("cannot reach a broker at %s: no answer in time", addr)
	case errors.Is(err, context.Canceled):
		return err
	}
	return fmt.Errorf("cannot reach a broker at %s: %w; is it a Kafka listener?", addr, err)
}
