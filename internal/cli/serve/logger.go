package serve

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// newLogger says things on standard error: as text to a person, as JSON to a
// machine. Both go through one door, which makes values readable, and another that
// bounds how often one cause is logged.
func newLogger(s *command.Streams, cfg serveConfig) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.LogLevel)) // checked by the settings table
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: readable}
	if logsJSON(s, cfg.LogFormat) {
		return slog.New(newRateLimited(slog.NewJSONHandler(s.Err, opts)))
	}
	return slog.New(newRateLimited(slog.NewTextHandler(s.Err, opts)))
}

// logsJSON reports whether the log is for a machine.
func logsJSON(s *command.Streams, format string) bool {
	return format == "json" || format != "text" && !s.ErrIsTTY
}

// readable gives a value the words that it has for itself. JSON would show the
// bytes of an id and the fields of an address, and a duration in nanoseconds.
func readable(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindDuration:
		return slog.String(a.Key, a.Value.Duration().Round(durationRound).String())
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case error, encoding.TextMarshaler, *slog.Source: // slog knows these
		case fmt.Stringer:
			return slog.String(a.Key, v.String())
		}
	}
	return a
}

const durationRound = time.Microsecond

// cause is what lines have in common that are logged for the same reason: what they
// say, and the innermost of the errors that they give for it, without its numbers.
// Of a reason ("why") that is the whole text: what a client did is said around the
// error that came of it, and TLS and HTTP come to the same error.
func cause(r slog.Record) string {
	key := r.Level.String() + " " + r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != "error" && a.Key != "why" {
			return true
		}
		text := a.Value.String()
		if err, ok := a.Value.Any().(error); ok && a.Key == "error" {
			text = innermost(err).Error()
		}
		key += " " + withoutNumbers(text)
		return false
	})
	return key
}

func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if many, ok := err.(interface{ Unwrap() []error }); ok && len(many.Unwrap()) > 0 {
			all := many.Unwrap()
			next = all[len(all)-1]
		}
		if next == nil {
			return err
		}
		err = next
	}
}

const causeMax = 120 // bytes of an error that tell it from others

func withoutNumbers(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text[:min(len(text), causeMax)])
}

// fatal ends a broker's command. Where the log is JSON, what ended it is a line of it.
func fatal(s *command.Streams, format string, err error) error {
	if err == nil || !logsJSON(s, format) {
		return err
	}
	newLogger(s, serveConfig{LogFormat: format}).Error("the broker has ended", "error", err)
	return command.Reported(err)
}
