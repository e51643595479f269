package store

import (
	"fmt"
	"strings"
)

// CheckTxn refuses what etcd refuses, so that every store does.
func CheckTxn(compares []Compare, ops []Op) error {
	if len(compares) > MaxTxnOps || len(ops) > MaxTxnOps {
		return fmt.Errorf("%w: %d compares and %d ops; at most %d each", ErrBadTxn, len(compares), len(ops), MaxTxnOps)
	}
	for i, op := range ops {
		for _, other := range ops[:i] {
			if overlap(op, other) {
				return fmt.Errorf("%w: two ops touch %q", ErrBadTxn, op.Key)
			}
		}
	}
	return nil
}

// overlap reports whether two ops touch the same key and one of them is a put.
func overlap(a, b Op) bool {
	if a.Kind != OpPut && b.Kind != OpPut {
		return false
	}
	return a.touches(b.Key) || b.touches(a.Key)
}

func (o Op) touches(key string) bool {
	return o.Key == key || o.Kind == OpDeletePrefix && strings.HasPrefix(key, o.Key)
}
