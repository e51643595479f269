package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
)

const defaultBrokers = "127.0.0.1:9092"

// Cluster is how a client command reaches the brokers.
type Cluster struct {
	Brokers string
	Timeout time.Duration

	security Security
	streams  *Streams
	given    func(flag, variable string) bool
}

// Flags adds --brokers, --timeout and, so that every client command takes the same
// flags, --http.
func (c *Cluster) Flags(cmd *cobra.Command, s *Streams) {
	addBrokersFlag(cmd, s, &c.Brokers, "brokers to ask first, `HOST:PORT,...`; also "+envBrokers)
	addTimeoutFlag(cmd, &c.Timeout)
	c.security.flags(cmd, s)
	c.streams, c.given = s, func(flag, variable string) bool { return cmd.Flags().Changed(flag) || s.getenv(variable) != "" }
	addHTTPFlag(cmd, s, new(string), "`HOST:PORT,...` of the HTTP side of brokers; this command does not ask it")
}

const (
	brokersFlag = "brokers"
	envBrokers  = "LOCKSTEP_BROKERS"
)

func addBrokersFlag(cmd *cobra.Command, s *Streams, to *string, usage string) {
	def := defaultBrokers
	if v := s.getenv(envBrokers); v != "" {
		def = v
	}
	cmd.Flags().StringVarP(to, brokersFlag, "b", def, usage)
}

const defaultTimeout = 10 * time.Second

// addTimeoutFlag adds --timeout to a command that asks brokers.
func addTimeoutFlag(cmd *cobra.Command, to *time.Duration) {
	usage := "how long all of it may take, a `DURATION`"
	if isMarked(cmd, OpenEnded) {
		usage = "how long all of it may take, a `DURATION`; without it, how long to wait for an answer:"
	}
	cmd.Flags().DurationVar(to, timeoutFlag, defaultTimeout, usage)
}

// Connect returns a client that has asked a broker once, so that a wrong
// address is reported as such and not as a timeout of something else.
func (c *Cluster) Connect(ctx context.Context, opts ...kgo.Opt) (*kgo.Client, error) {
	secured, err := c.secure()
	if err != nil {
		return nil, err
	}
	seeds := SplitList(c.Brokers)
	if len(seeds) == 0 {
		return nil, errors.New("no broker named; give --brokers HOST:PORT")
	}
	base := []kgo.Opt{
		kgo.SeedBrokers(seeds...),
		kgo.ClientID("lockstep"),
		kgo.RetryTimeout(c.Timeout),
		kgo.DialTimeout(min(c.Timeout, 5*time.Second)),
		kgo.RequestTimeoutOverhead(max(min(c.Timeout, 10*time.Second), 100*time.Millisecond)), // the least that it takes
		kgo.RecordDeliveryTimeout(max(c.Timeout, time.Second)),
		kgo.MetadataMinAge(50 * time.Millisecond),
	}
	client, err := kgo.NewClient(slices.Concat(base, secured, opts)...)
	if err != nil {
		return nil, err
	}
	if err := c.ping(ctx, client); err != nil {
		client.Close()
		return nil, unreachable(strings.Join(seeds, ","), err)
	}
	return client, nil
}

// secure are the options by which a client proves who it is; and where the brokers
// were not named, a profile names them.
func (c *Cluster) secure() ([]kgo.Opt, error) {
	p, err := c.security.named(c.streams)
	if err != nil {
		return nil, err
	}
	if p != nil && p.Brokers != "" && !c.given(brokersFlag, envBrokers) {
		c.Brokers = p.Brokers
	}
	return c.security.options(p)
}

// SecurityArgs are the flags of security again, for a process that a command starts.
func (c *Cluster) SecurityArgs() []string { return c.security.args() }

// ping waits for a first answer. While the client library makes a connection it
// does not look at the context of whoever waits for it, but it does hear that it
// is closed.
func (c *Cluster) ping(ctx context.Context, client *kgo.Client) error {
	waiting, cancel := Within(ctx, c.Timeout)
	defer cancel()
	stop := context.AfterFunc(waiting, client.Close)
	err := client.Ping(waiting)
	if stop() {
		return err
	}
	return waiting.Err()
}

// Admin is connect for the commands that only ask and order.
func (c *Cluster) Admin(ctx context.Context) (*kadm.Client, error) {
	client, err := c.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return c.AdminOf(client), nil
}

// AdminOf is an admin client over a client that is connected.
func (c *Cluster) AdminOf(client *kgo.Client) *kadm.Client {
	adm := kadm.NewClient(client)
	adm.SetTimeoutMillis(Millis(c.Timeout))
	return adm
}

// unreachable says which address did not answer and what to do about it.
func unreachable(addr string, err error) error {
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("cannot reach a broker at %s: connection refused; "+
			`start one with "lockstep serve", or name another with --brokers`, addr)
	case errors.As(err, &dns):
		return fmt.Errorf("cannot reach a broker at %s: the name %s is not known", addr, dns.Name)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("cannot reach a broker at %s: no answer in time", addr)
	case errors.Is(err, context.Canceled):
		return err
	}
	return fmt.Errorf("cannot reach a broker at %s: %w; is it a Kafka listener?", addr, err)
}

// Millis is a duration as requests have it.
func Millis(d time.Duration) int32 {
	return int32(max(1, min(d, time.Hour)/time.Millisecond))
}

// Extended returns an extended producer on a connection of its own, and what
// closes both.
func (c *Cluster) Extended(ctx context.Context, opts ...client.Option) (*client.Client, func(), error) {
	cl, err := c.Connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	ext, err := client.New(cl, opts...)
	if err != nil {
		cl.Close()
		return nil, nil, err
	}
	return ext, func() { ext.Close(); cl.Close() }, nil
}
