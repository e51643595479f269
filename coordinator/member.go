package coordinator

import (
	"context"
	"errors"
	"fmt"

	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/coordinator/store/etcd"
)

// ReplaceMember makes way for a member of the embedded etcd that has lost its
// directory for good: it is removed and added anew, and may then start empty.
// It refuses while the member answers. What was begun and broke off is gone on with.
func (c *Cluster) ReplaceMember(ctx context.Context, name string) error {
	s, ok := c.o.Store.(*etcd.Store)
	if !ok || !s.Local() || s.Alone() {
		return fmt.Errorf("%w: this broker's etcd has no peers in other brokers", refusal.ErrInvalidRequest)
	}
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	err := s.ReplaceMember(ctx, name)
	for errors.Is(err, store.ErrUnavailable) && sleep(ctx, retryMin) {
		err = s.ReplaceMember(ctx, name) // it goes on with what was begun
	}
	if err != nil {
		return fmt.Errorf("replace etcd member %s: %w", name, err)
	}
	c.log.Warn("etcd member was replaced: it may start with an empty directory", "member", name)
	return nil
}
