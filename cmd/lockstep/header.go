package main

import (
	"fmt"
	"strings"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/twmb/franz-go/pkg/kgo"
)

// parseHeaders reads KEY:VALUE or KEY=VALUE, whichever sign comes first.
func parseHeaders(items []string) ([]kgo.RecordHeader, error) {
	var headers []kgo.RecordHeader
	for _, item := range items {
		k, v, ok := cutAny(item, ":=")
		if !ok || k == "" {
			return nil, fmt.Errorf("want KEY:VALUE, got %q", item)
		}
		headers = append(headers, kgo.RecordHeader{Key: k, Value: []byte(v)})
	}
	return headers, nil
}

// cutAny is strings.Cut at the first of any of the signs.
func cutAny(s, signs string) (before, after string, found bool) {
	if i := strings.IndexAny(s, signs); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// isLockRequest reports whether the broker will judge the record by locks.
func isLockRequest(headers []kgo.RecordHeader) bool {
	for _, h := range headers {
		if strings.HasPrefix(h.Key, protocol.LockPrefix) {
			return true
		}
	}
	return false
}
