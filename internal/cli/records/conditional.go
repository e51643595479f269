package records

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol"
)

// featureName is what a broker lists in ApiVersions when it judges lock
// headers. Any other broker would store them and admit everything.
const featureName = "conflict.version"

// conditional sends records one by one, each in a request of its own, and
// brings back the broker's words. The ordinary produce path of the client
// library keeps only the code.
type conditional struct {
	client  *kgo.Client
	timeout time.Duration
	// judged: a topic that holds copies is to refuse lock headers, and not to store
	// them.
	judged bool
}

// newConditional makes sure that the cluster judges lock headers.
func newConditional(ctx context.Context, client *kgo.Client, timeout time.Duration) (*conditional, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "lockstep", "cli"
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	for _, f := range resp.SupportedFeatures {
		if f.Name == featureName && f.MaxVersion >= 1 {
			return &conditional{client: client, timeout: timeout}, nil
		}
	}
	return nil, fmt.Errorf("this broker does not list %s: it would ignore lock headers and admit everything; nothing was sent", featureName)
}

// append writes r to its partition and returns its offset. It tries again while
// that is safe: when the broker has certainly written nothing, or when a
// lock-id makes the second try find the first.
func (c *conditional) append(ctx context.Context, topic string, partition int32, r *kgo.Record) (command.Place, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	raw, err := encodeBatch(r)
	if err != nil {
		return command.Place{}, 0, err
	}
	once := hasHeader(r, protocol.HeaderLockID)
	var unknown bool
	for {
		at, err := command.Locate(ctx, c.client, topic, partition)
		if err != nil {
			return at, 0, settle(unknown, err)
		}
		offset, err := c.send(ctx, at, raw)
		if err == nil || !errors.As(err, new(*retryable)) {
			return at, offset, err
		}
		unknown = unknown || err.(*retryable).unknown
		if unknown && !once {
			return at, 0, fmt.Errorf("%w: %w; give it a name with --id and it can be sent again safely", command.ErrUnknownResult, err)
		}
		if command.Pause(ctx, 50*time.Millisecond) != nil {
			return at, 0, settle(unknown, err)
		}
	}
}

// settle words the end of trying.
func settle(unknown bool, err error) error {
	if unknown {
		return fmt.Errorf("%w: %w; run the same command again", command.ErrUnknownResult, err)
	}
	return err
}

// retryable is a failure after which the same append may be sent again.
// unknown means that it may be in the log already.
type retryable struct {
	err     error
	unknown bool
}

func (e *retryable) Error() string { return e.err.Error() }
func (e *retryable) Unwrap() error { return e.err }

func (c *conditional) send(ctx context.Context, at command.Place, raw []byte) (int64, error) {
	if at.Leader < 0 {
		return 0, &retryable{err: fmt.Errorf("%s/%d has no leader", at.Topic, at.Partition)}
	}
	resp, err := c.client.Broker(int(at.Leader)).Request(ctx, c.request(at, raw))
	if err != nil {
		return 0, &retryable{err: err, unknown: !neverSent(err)}
	}
	topics := resp.(*kmsg.ProduceResponse).Topics
	if len(topics) != 1 || len(topics[0].Partitions) != 1 {
		return 0, fmt.Errorf("the broker's answer is not about %s/%d", at.Topic, at.Partition)
	}
	p := &topics[0].Partitions[0]
	return p.BaseOffset, verdict(p)
}

// neverSent reports whether the request did not even find a connection.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func (c *conditional) request(at command.Place, raw []byte) *kmsg.ProduceRequest {
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = at.Partition, raw
	p.UnknownTags.Set(protocol.TagLeaderEpoch, protocol.AppendLeaderEpoch(nil, protocol.LeaderEpoch(at.Epoch)))
	if c.judged {
		p.UnknownTags.Set(protocol.TagJudged, []byte{1})
	}
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.TopicID, t.Partitions = at.Topic, at.TopicID, append(t.Partitions, p)
	req := kmsg.NewPtrProduceRequest()
	req.Acks = -1
	req.TimeoutMillis = command.Millis(c.timeout)
	req.Topics = append(req.Topics, t)
	return req
}

// verdict reads a partition's answer: admitted, refused with the broker's
// reason, or an error that is no judgement.
func verdict(p *kmsg.ProduceResponseTopicPartition) error {
	err := kerr.ErrorForCode(p.ErrorCode)
	text := refusalText(p)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.PolicyViolation):
		if text == "" {
			text = "refused: POLICY_VIOLATION"
		}
		return &command.RefusedError{Text: text}
	case errors.Is(err, kerr.NotLeaderForPartition), errors.Is(err, kerr.LeaderNotAvailable),
		errors.Is(err, kerr.FencedLeaderEpoch), errors.Is(err, kerr.UnknownLeaderEpoch),
		errors.Is(err, kerr.NotEnoughReplicas):
		return &retryable{err: command.BrokerError(err, text)}
	case errors.Is(err, kerr.RequestTimedOut), errors.Is(err, kerr.NotEnoughReplicasAfterAppend):
		return &retryable{err: command.BrokerError(err, text), unknown: true}
	case strings.HasPrefix(text, "MALFORMED "):
		return errors.New(text)
	}
	return command.BrokerError(err, text)
}

// refusalText is the reason as the partition gives it, or else its record.
func refusalText(p *kmsg.ProduceResponseTopicPartition) string {
	if p.ErrorMessage != nil && *p.ErrorMessage != "" {
		return *p.ErrorMessage
	}
	for _, r := range p.ErrorRecords {
		if r.ErrorMessage != nil {
			return *r.ErrorMessage
		}
	}
	return ""
}

func hasHeader(r *kgo.Record, key string) bool {
	for _, h := range r.Headers {
		if h.Key == key {
			return true
		}
	}
	return false
}
