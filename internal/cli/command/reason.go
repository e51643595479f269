package command

import (
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// BrokerError words an error code of a broker, with the broker's own message where
// it sent one.
func BrokerError(err error, message string) error {
	if err == nil {
		return nil
	}
	var ke *kerr.Error
	if message != "" && errors.As(err, &ke) {
		return fmt.Errorf("%s: %s", ke.Message, message)
	}
	return err
}

// KeyValues parses KEY=VALUE flags.
func KeyValues(items []string) (map[string]string, error) {
	m := make(map[string]string, len(items))
	for _, item := range items {
		k, v, ok := CutAny(item, "=")
		if !ok || k == "" {
			return nil, fmt.Errorf("want KEY=VALUE, got %q", item)
		}
		m[k] = v
	}
	return m, nil
}

// OrEmpty is a text that may be null.
func OrEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// CutAny is strings.Cut at the first of any of the signs.
func CutAny(s, signs string) (before, after string, found bool) {
	if i := strings.IndexAny(s, signs); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// TopicError names the topic that a code is about.
func TopicError(topic string, err error) error {
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return fmt.Errorf("topic %q does not exist", topic)
	}
	return fmt.Errorf("topic %q: %w", topic, err)
}
