package work

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/test/chaos/check"
)

// caller appends on condition and notes what it was told.
type caller struct {
	name    string
	c       *client.Client
	history *history
	calls   int
}

// next is the id of the next append.
func (c *caller) next() string {
	c.calls++
	return fmt.Sprintf("%s.%d", c.name, c.calls)
}

// append calls Client.Append, again by the same id while the outcome is unknown,
// and notes the outcome.
func (c *caller) append(abort context.Context, at check.Place, cond client.Cond, records []*kgo.Record) check.Append {
	a := check.Append{Writer: c.name, At: at, ID: cond.ID, Basis: cond.Basis, Invoked: c.history.now()}
	for _, r := range records {
		a.Values = append(a.Values, string(r.Value))
	}
	result, err := c.once(abort, at, cond, records)
	for cond.ID != "" && errors.Is(err, client.ErrUnknownResult) && abort.Err() == nil && c.history.now()-a.Invoked < retryFor {
		result, err = c.once(abort, at, cond, records)
		if err != nil && !errors.Is(err, client.ErrUnknownResult) && !refusal(err) {
			err = fmt.Errorf("%w: %w", client.ErrUnknownResult, err) // of this attempt; the first may be in
		}
	}
	return c.note(a, result, err)
}

func refusal(err error) bool {
	var e *client.Error
	return errors.As(err, &e)
}

func (c *caller) once(abort context.Context, at check.Place, cond client.Cond, records []*kgo.Record) (client.Result, error) {
	ctx, cancel := context.WithTimeout(abort, callTimeout)
	defer cancel()
	return c.c.Append(ctx, at.Topic, at.Partition, cond, records...)
}

// note puts an outcome into the history.
func (c *caller) note(a check.Append, result client.Result, err error) check.Append {
	a.Returned = c.history.now()
	var refused *client.Error
	switch {
	case err == nil:
		a.Outcome, a.Offset = check.Acked, result.Offset
		if result.Records != len(a.Values) {
			c.history.complain("%s: %v was acknowledged as %d records: %q", c.name, a.At, result.Records, a.Values)
		}
	case errors.As(err, &refused):
		a.Outcome, a.Said = check.Refused, err.Error()
		a.Cited = &check.Citation{Lock: refused.Lock, Basis: refused.Basis, Last: refused.Last, By: strings.TrimPrefix(refused.By, "-"), Text: err.Error()}
		if !strings.HasPrefix(err.Error(), "CONFLICT ") {
			c.history.complain("%s: %v: a right request was refused: %v", c.name, a.At, err)
		}
	case errors.Is(err, client.ErrUnknownResult):
		a.Outcome, a.Said = check.Unknown, err.Error()
	default:
		a.Outcome, a.Said = check.Failed, err.Error()
	}
	c.history.add(a)
	return a
}
