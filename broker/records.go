package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/protocol/record"
)

const (
	// recordErrorsMax is how many records of a batch are named, and recordTextsMax
	// how many of them with a text: an answer must not be many times the request.
	recordErrorsMax = 1 << 16
	recordTextsMax  = 1000
)

// recordError points at one record of the batch.
type recordError struct {
	index int32
	text  string // "" for the one of the whole batch
}

func (e *recordError) message() *string {
	if e.text == "" {
		return nil
	}
	return &e.text
}

// untakenRecords are all records of a batch that its topic's settings do not
// allow. Clients tell the application of each of them, and that it may send the
// others again.
type untakenRecords struct {
	code    *kerr.Error
	of      int32 // records of the batch
	count   int   // of them that are not taken
	records []recordError
}

func (u *untakenRecords) Unwrap() error { return u.code }

func (u *untakenRecords) Error() string {
	text := fmt.Sprintf("record %d %s", u.records[0].index, u.records[0].text)
	if u.count == 1 && u.of == 1 {
		return text
	}
	return fmt.Sprintf("%d of %d records are refused: %s", u.count, u.of, text)
}

func (u *untakenRecords) add(index int32, text func() string) {
	if u.count++; u.count > recordErrorsMax {
		return
	}
	e := recordError{index: index}
	if u.count <= recordTextsMax {
		e.text = text()
	}
	u.records = append(u.records, e)
}

// checkRecords holds what the topic's settings ask of single records.
func checkRecords(t *partitions.Topic, b record.Batch, recs *record.Records) error {
	times := timesAllowed(t, b)
	if times.all(recs) && !t.Settings.Compact {
		return nil
	}
	u := untakenRecords{code: kerr.InvalidRecord, of: recs.Count()}
	for w := recs.Walk(); w.Next(); {
		switch at := addClamped(b.FirstTimestamp(), w.TimestampDelta); {
		case t.Settings.Compact && w.Key == nil:
			u.add(w.Index, func() string { return "has no key, and the topic is compacted" })
		case !times.allows(at):
			u.code = kerr.InvalidTimestamp
			u.add(w.Index, func() string { return times.refusal(at) })
		}
	}
	if u.count == 0 {
		return nil
	}
	return &u
}

// times are the record times that a topic takes, in ms since 1970. A record
// without a time, -1, is always taken.
type times struct {
	of          record.Batch
	least, most int64
	any         bool // the topic does not look at them
}

// timesAllowed is what the topic takes by now: all where it stamps records itself.
func timesAllowed(t *partitions.Topic, b record.Batch) times {
	now := nowMs()
	return times{
		of: b, any: t.Settings.TimestampType != settings.CreateTime,
		least: now - t.Settings.TimestampBeforeMaxMs, most: addClamped(now, t.Settings.TimestampAfterMaxMs),
	}
}

// all reports whether all records are certain to be allowed.
func (a *times) all(recs *record.Records) bool {
	least, greatest := recs.TimestampDeltas()
	first := a.of.FirstTimestamp()
	return a.any || a.least <= addClamped(first, least) && addClamped(first, greatest) <= a.most
}

func (a *times) allows(at int64) bool { return a.any || at == -1 || a.least <= at && at <= a.most }

func (a *times) refusal(at int64) string {
	return fmt.Sprintf("has the time %d, which is out of range: the topic takes times from %d to %d, in ms since 1970", at, a.least, a.most)
}
