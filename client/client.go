package client

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Client appends to partitions, each append with a condition and a verdict of
// its own.
type Client struct {
	cl   *kgo.Client
	opts options
}

// New returns a client that sends through cl.
func New(cl *kgo.Client, opts ...Option) (*Client, error) { return nil, ErrUnsupported }

// Append appends records as one: all of them or none.
func (c *Client) Append(ctx context.Context, topic string, partition int32, cond Cond, recs ...*kgo.Record) (Result, error) {
	return Result{}, ErrUnsupported
}

// Close ends the client and waits for its goroutines.
func (c *Client) Close() {}
