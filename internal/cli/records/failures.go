package records

import (
	"errors"
	"fmt"
	"regexp"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// failureLog is a logger of the client library that keeps why a Produce request was
// sent again. The library tells it to nobody else: the error of a record that has
// timed out says no more than that.
type failureLog struct{ last atomic.Pointer[string] }

// retriedAnswer is how the library logs an answer after which it tries again.
var retriedAnswer = regexp.MustCompile(`retrying@-?\d+,\d+\((.*?)\)\}`)

// Level is that of the lines about answers.
func (*failureLog) Level() kgo.LogLevel { return kgo.LogLevelDebug }

// Log is called by the library.
func (f *failureLog) Log(_ kgo.LogLevel, msg string, keyvals ...any) {
	for i := 0; i+1 < len(keyvals); i += 2 {
		switch value := keyvals[i+1].(type) {
		case string:
			if m := retriedAnswer.FindStringSubmatch(value); m != nil && msg == "produced" {
				f.last.Store(&m[1])
			}
		case error:
			if keyvals[i] == "err" && producing[msg] {
				text := value.Error()
				f.last.Store(&text)
			}
		}
	}
}

// producing are the messages of errors that keep records from being sent.
var producing = map[string]bool{
	"produce partition load error, bumping error count on first stored batch": true,
	"produce request failed, triggering metadata update":                      true,
}

// explain words the error of a record.
func (f *failureLog) explain(topic string, err error) error {
	switch {
	case errors.Is(err, kerr.PolicyViolation):
		return &command.RefusedError{Text: "refused: " + err.Error()}
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return command.TopicError(topic, kerr.UnknownTopicOrPartition)
	}
	if last := f.last.Load(); last != nil && errors.Is(err, kgo.ErrRecordTimeout) {
		return fmt.Errorf("topic %q: %w; last failure: %s", topic, err, *last)
	}
	return fmt.Errorf("topic %q: %w", topic, err)
}
