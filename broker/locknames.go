package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/coordinator/acl"
	"github.com/lockstep-log/lockstep/protocol"
)

// mayMark refuses a batch that writes a lock which its principal may not write. It
// costs nothing while no ACL speaks of locks. p may be nil.
func (p *passage) mayMark(locks *conflict.Request) error {
	if p == nil || locks == nil || !p.access.HasLocks() {
		return nil
	}
	for record, name := range locks.Marked() {
		lock := string(name)
		if !p.allowed(aclWrite, onLock, lock) {
			return fmt.Errorf("%w: record %d: %s may not write the lock %q", kerr.TopicAuthorizationFailed, record,
				p.who.Principal, protocol.PrintableShort(lock))
		}
	}
	return nil
}

// told is a refusal as its producer may be told of it: who may not read the topic does
// not learn who wrote there.
func (p *passage) told(t *partitions.Topic, r *protocol.Refusal) *protocol.Refusal {
	if p == nil || r.By == "" || p.access.Allows(acl.OpRead, acl.TypeTopic, t.Name) {
		return r
	}
	hidden := *r
	hidden.By = ""
	return &hidden
}
