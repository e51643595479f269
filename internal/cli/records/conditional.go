package records

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol"
)

// oneByOne appends records one after the other by package client, and words what
// became of each for a person. All judgement, also of what is malformed, is left to
// the broker, whose text is printed as it is.
type oneByOne struct {
	kafka    *kgo.Client
	extended *client.Client // nil: the brokers do not judge lock requests
	timeout  time.Duration  // for each record
}

func newOneByOne(kafka *kgo.Client, timeout time.Duration, opts ...client.Option) (*oneByOne, error) {
	extended, err := client.New(kafka, append(opts, client.Plain(), client.RequestTimeout(timeout))...)
	if err != nil && !errors.Is(err, client.ErrUnsupported) {
		return nil, err
	}
	return &oneByOne{kafka, extended, timeout}, nil
}

func (o *oneByOne) close() {
	if o.extended != nil {
		o.extended.Close()
	}
}

// errNotJudged: any other broker would store lock headers and admit everything.
var errNotJudged = errors.New("this broker does not list conflict.version: " +
	"it would ignore lock headers and admit everything; nothing was sent")

// append writes r to its partition and returns where it is. A negative partition is
// the topic's only one.
func (o *oneByOne) append(ctx context.Context, topic string, partition int32, r *kgo.Record) (appended, error) {
	ctx, cancel := command.Within(ctx, o.timeout)
	defer cancel()
	if o.extended == nil && isLockRequest(r.Headers) {
		return appended{}, errNotJudged
	}
	partition, err := command.FindPartition(ctx, o.kafka, topic, partition)
	if err != nil {
		return appended{}, err
	}
	if o.extended == nil {
		r.Topic, r.Partition = topic, partition
		err := o.kafka.ProduceSync(ctx, r).FirstErr()
		return appended{topic, partition, r.Offset}, err
	}
	result, err := o.extended.Append(ctx, topic, partition, client.Cond{}, r)
	return appended{topic, partition, result.Offset}, outcome(r, err)
}

// outcome words the end of an append: a refusal, a result that nobody knows, or
// why it was not written.
func outcome(r *kgo.Record, err error) error {
	var refused *client.Error
	var late *client.Interruption
	errors.As(err, &late)
	switch {
	case errors.As(err, &refused) && errors.Is(err, client.ErrMalformed):
		return errors.New(refused.Error())
	case refused != nil:
		return &command.RefusedError{Text: refused.Error()}
	case errors.Is(err, kerr.PolicyViolation):
		return &command.RefusedError{Text: "refused: " + err.Error()}
	case errors.Is(err, client.ErrUnknownResult):
		advice := "give it a name with --id and it can be sent again safely"
		if hasHeader(r, protocol.HeaderLockID) {
			advice = "run the same command again"
		}
		return fmt.Errorf("%w: %w; %s", command.ErrUnknownResult, whyLate(late, err), advice)
	case late != nil:
		return whyLate(late, err)
	}
	return err
}

// whyLate is why an append was not done in time, as far as that is known.
func whyLate(late *client.Interruption, err error) error {
	switch {
	case late == nil:
		return err
	case late.Last != nil:
		return late.Last
	}
	return late.Err
}

func hasHeader(r *kgo.Record, key string) bool {
	for _, h := range r.Headers {
		if h.Key == key {
			return true
		}
	}
	return false
}
