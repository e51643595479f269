package main

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// reason words an error code of a broker, with the broker's own message where
// it sent one.
func reason(err error, message string) error {
	if err == nil {
		return nil
	}
	var ke *kerr.Error
	if message != "" && errors.As(err, &ke) {
		return fmt.Errorf("%s: %s", ke.Message, message)
	}
	return err
}

// pairs parses KEY=VALUE flags.
func pairs(items []string) (map[string]string, error) {
	m := make(map[string]string, len(items))
	for _, item := range items {
		k, v, ok := cutAny(item, "=")
		if !ok || k == "" {
			return nil, fmt.Errorf("want KEY=VALUE, got %q", item)
		}
		m[k] = v
	}
	return m, nil
}
