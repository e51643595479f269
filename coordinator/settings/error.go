package settings

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/lockstep-log/lockstep/protocol"
)

// Error refuses a setting. Its text, which is Kafka's, names the setting and the
// value.
type Error struct {
	Name   string
	Value  string
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("Invalid value %s for configuration %s: %s", shown(e.Value), e.Name, e.Reason)
}

// UpdateError refuses to alter a broker setting, whatever the value: it could have no
// other one here while the broker runs.
type UpdateError struct {
	Name string
	Rule string // Kafka's words
	Why  string // what stands behind it here; "" = nothing more
}

func (e *UpdateError) Error() string {
	text := fmt.Sprintf("%s: [%s]", e.Rule, e.Name)
	if e.Why != "" {
		text += ": " + e.Why
	}
	return text
}

// shown is a value that a client chose, for a text: as it is, unless that
// shows nothing or would disturb a terminal or a log.
func shown(value string) string {
	quoted := strconv.Quote(value)
	if value != "" && quoted[1:len(quoted)-1] == value {
		return value
	}
	return quoted
}

// refuse makes the error for a value that the setting's binder refused.
func (d *Definition) refuse(value string, why error) error {
	reason := why.Error()
	var one errItem
	switch {
	case errors.Is(why, errEmptyItem):
		return &BoundsError{fmt.Sprintf("Configuration '%s' %s.", d.Name, reason)}
	case errors.Is(why, errNotNumber):
		reason = fmt.Sprintf("%s of type %s", reason, strings.ToUpper(d.Type.String()))
	case errors.As(why, &one):
		value = one.item
	}
	if f, err := strconv.ParseFloat(value, 64); err == nil && d.Type == Double && f == math.Trunc(f) {
		value = strconv.FormatFloat(f, 'f', 1, 64) // as Kafka writes it
	}
	return &Error{Name: d.Name, Value: value, Reason: reason}
}

// BoundsError refuses settings whose error names no value: they are good alone, and
// not beside another one or what the brokers allow, or have no text to show. Its text is Kafka's.
type BoundsError struct{ Text string }

func (e *BoundsError) Error() string { return e.Text }

// UnknownError refuses a name that is no setting.
type UnknownError struct {
	Of         string // what it should be a setting of: topic, group or broker
	Name       string
	Suggestion string // "" = nothing is near
}

func (e *UnknownError) Error() string {
	text := fmt.Sprintf("Unknown %s config name: %s", e.Of, shown(e.Name))
	if e.Suggestion != "" {
		text += fmt.Sprintf("; did you mean %s?", e.Suggestion)
	}
	return text
}

// maxTypos is the edit distance up to which a name counts as a misspelling.
const maxTypos = 3

func nearest(table []Definition, name string) string {
	return protocol.Nearest(name, func(yield func(string) bool) {
		for i := range table {
			if !yield(table[i].Name) {
				return
			}
		}
	}, maxTypos)
}
