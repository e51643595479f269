package settings

import (
	"fmt"

	"github.com/lockstep-log/lockstep/protocol"
)

// Error refuses a setting. Its text names the setting and the value.
type Error struct {
	Name   string
	Value  string
	Reason string
	// ReadOnly: the setting could have no other value, as long as the broker runs.
	ReadOnly bool
}

func (e *Error) Error() string {
	return fmt.Sprintf("invalid value %q for %s: %s", e.Value, e.Name, e.Reason)
}

// UnknownError refuses a name that is no setting.
type UnknownError struct {
	Name       string
	Suggestion string // "" = nothing is near
}

func (e *UnknownError) Error() string {
	if e.Suggestion == "" {
		return fmt.Sprintf("unknown setting %q", e.Name)
	}
	return fmt.Sprintf("unknown setting %q; did you mean %s?", e.Name, e.Suggestion)
}

func unknown(table []Definition, name string) error {
	return &UnknownError{Name: name, Suggestion: nearest(table, name)}
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
