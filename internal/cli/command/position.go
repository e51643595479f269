package command

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Position is where a consumer begins: a place and a distance from it.
type Position struct {
	from   positionKind
	offset int64 // a distance from start or end, an offset, or Unix milliseconds
}

type positionKind uint8

const (
	fromStart positionKind = iota
	fromEnd
	fromOffset
	fromTime
)

// ParsePosition reads start, end, +N behind the start, -N before the end, an
// offset, or @TIME.
func ParsePosition(s string, now time.Time) (Position, error) {
	switch {
	case s == "start":
		return Position{from: fromStart}, nil
	case s == "end":
		return Position{from: fromEnd}, nil
	case strings.HasPrefix(s, "@"):
		ms, err := parseTime(s[1:], now)
		return Position{fromTime, ms}, err
	}
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil:
		return Position{}, fmt.Errorf("want start, end, +N, -N, @TIME or an offset, got %q", s)
	case s[0] == '+':
		return Position{fromStart, n}, nil
	case n < 0 || s[0] == '-':
		return Position{fromEnd, n}, nil
	}
	return Position{fromOffset, n}, nil
}

// parseTime reads Unix seconds or milliseconds (told apart by their size), a
// date, RFC 3339, or a duration before now such as -1h.
func parseTime(s string, now time.Time) (int64, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		const secondsMax = 100_000_000_000 // the year 5138; as milliseconds, 1973
		if n < secondsMax {
			return n * 1000, nil
		}
		return n, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d <= 0 {
		return now.Add(d).UnixMilli(), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UnixMilli(), nil
		}
	}
	return 0, fmt.Errorf("want Unix seconds or milliseconds, a date, RFC 3339 or -DURATION behind @, got %q", s)
}

// span is what a consumer reads of one partition: offsets from next up to end.
type OffsetSpan struct{ Next, End int64 }

// Spans settles a position to offsets, partition by partition, so that what
// will be read is known before the first fetch.
func (p Position) Spans(ctx context.Context, adm *kadm.Client, topic string) (map[int32]OffsetSpan, error) {
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	ends, err := adm.ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(starts.Error(), ends.Error()); err != nil {
		return nil, TopicError(topic, err)
	}
	times := ends
	if p.from == fromTime {
		if times, err = adm.ListOffsetsAfterMilli(ctx, p.offset, topic); err != nil {
			return nil, err
		}
		if err := times.Error(); err != nil {
			return nil, TopicError(topic, err)
		}
	}
	spans := map[int32]OffsetSpan{}
	for partition, start := range starts[topic] {
		end, ok := ends.Lookup(topic, partition)
		if !ok {
			continue
		}
		at, _ := times.Lookup(topic, partition)
		next := p.settle(start.Offset, end.Offset, at.Offset)
		spans[partition] = OffsetSpan{next, end.Offset}
	}
	return spans, nil
}

// settle is the first offset to read. Positions before the start mean the
// start and those behind the end mean the end, except for a plain offset: a
// reader that asks for one has a reason to want that one.
func (p Position) settle(start, end, at int64) int64 {
	switch p.from {
	case fromStart:
		return min(start+p.offset, end)
	case fromEnd:
		return max(end+p.offset, start)
	case fromTime:
		if at < 0 {
			return end
		}
		return at
	}
	return p.offset
}
