package records

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol"
)

// parseHeaders reads KEY:VALUE or KEY=VALUE, whichever sign comes first.
func parseHeaders(items []string) ([]kgo.RecordHeader, error) {
	var headers []kgo.RecordHeader
	for _, item := range items {
		k, v, ok := command.CutAny(item, ":=")
		if !ok || k == "" {
			return nil, fmt.Errorf("want KEY:VALUE, got %q", item)
		}
		headers = append(headers, kgo.RecordHeader{Key: k, Value: []byte(v)})
	}
	return headers, nil
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
