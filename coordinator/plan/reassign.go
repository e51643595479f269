package plan

import (
	"slices"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/protocol"
)

// Reassign ends a reassignment that can end: everyone who was to be added is in
// sync, and of those who are to stay as many as min.insync.replicas asks for, so
// that whoever was to be removed can go. It is a pure function. A leader that
// goes leaves the partition to the election that is to follow.
func Reassign(now image.Partition, rules ElectionRules) (next image.Partition, changed bool) {
	if len(now.Adding) == 0 && len(now.Removing) == 0 || now.Leader == protocol.NoBroker {
		return now, false
	}
	for _, id := range now.Adding {
		if !now.InSync(id) {
			return now, false
		}
	}
	next = without(now, now.Removing)
	if len(next.ISR) < min(max(rules.MinInsync, 1), len(next.Replicas)) {
		return now, false // too few of those who are to stay have what was acknowledged
	}
	next.Adding, next.Removing = nil, nil
	return next, true
}

// without is the partition without some of its replicas.
func without(p image.Partition, gone []protocol.BrokerID) image.Partition {
	replicas, isr := p.Replicas, p.ISR
	p.Replicas, p.ISR, p.Reassigned = nil, nil, true
	for _, id := range replicas {
		if !slices.Contains(gone, id) {
			p.Replicas = append(p.Replicas, id)
		}
	}
	for _, m := range isr {
		if !slices.Contains(gone, m.ID) {
			p.ISR = append(p.ISR, m)
		}
	}
	return p
}

// StartReassignment gives a partition, with no reassignment under way, the
// target as its replicas; those that go stay until all that come are in sync.
func StartReassignment(now image.Partition, target []protocol.BrokerID) (next image.Partition) {
	next = now
	next.Replicas, next.Adding, next.Removing = slices.Clone(target), nil, nil
	next.Reassigned = true
	for _, id := range target {
		if !slices.Contains(now.Replicas, id) {
			next.Adding = append(next.Adding, id)
		}
	}
	for _, id := range now.Replicas {
		if !slices.Contains(target, id) {
			next.Removing = append(next.Removing, id)
		}
	}
	next.Replicas = append(next.Replicas, next.Removing...)
	return next
}

// CancelReassignment takes back a reassignment under way: who was to be added
// goes, in sync or not, and who was to be removed stays. If only those to be
// added are in sync, nobody is left to lead.
func CancelReassignment(now image.Partition) (next image.Partition) {
	if len(now.Adding) == 0 && len(now.Removing) == 0 {
		return now
	}
	next = without(now, now.Adding)
	next.Adding, next.Removing = nil, nil
	return next
}
