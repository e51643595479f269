package coordinator

import (
	"context"
	"slices"

	"github.com/lockstep-log/lockstep/coordinator/acl"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/store"
)

const (
	// aclsMax bounds all ACLs together: every broker has them in memory.
	aclsMax = 250_000
	// aclsAtOnceMax is how many one request may add or delete, as in Kafka.
	aclsAtOnceMax = 10_000
)

// CreateACLs adds rules, and says of each why it is not added. One that is there
// already is none the less. It returns when this broker's image shows them.
func (c *Cluster) CreateACLs(ctx context.Context, rules []acl.Rule) []error {
	errs := make([]error, len(rules))
	if len(rules) > aclsAtOnceMax {
		return fillErrors(errs, errTooManyACLs)
	}
	var valid []int
	for i := range rules {
		if err := rules[i].Validate(); err != nil {
			errs[i] = refusal.New(refusal.ErrInvalidRequest, "%v", err)
			continue
		}
		valid = append(valid, i)
	}
	for batch := range slices.Chunk(valid, store.MaxTxnOps) {
		err := c.change(ctx, func(im *image.Image) decision { return c.addACLs(im, rules, batch) })
		for _, i := range batch {
			errs[i] = err
		}
	}
	return errs
}

var errTooManyACLs = refusal.New(refusal.ErrTooLarge, "Unable to perform excessively large batch operation.")

func fillErrors(errs []error, err error) []error {
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// addACLs writes those of a batch that are not there. It compares nothing: a key holds
// what it is named by, so that who writes it twice does no harm.
func (c *Cluster) addACLs(im *image.Image, rules []acl.Rule, batch []int) (d decision) {
	written := map[acl.ID]bool{}
	for _, i := range batch {
		id := rules[i].ID()
		if _, there := im.ACLs().Rule(id); there || written[id] {
			continue
		}
		written[id] = true
		d.ops = append(d.ops, store.Put(c.keys.ACL(id), store.Encode(image.ACLValue(rules[i]))))
	}
	if im.ACLs().Size()+len(d.ops) > aclsMax {
		d.err = refusal.New(refusal.ErrInvalidRequest, "there are %d ACLs, and may be %d", im.ACLs().Size(), aclsMax)
	}
	return d
}

// DeleteACLs removes the rules that each filter chooses, and returns them, or why it
// did not, filter by filter.
func (c *Cluster) DeleteACLs(ctx context.Context, filters []acl.Filter) (deleted [][]acl.Rule, errs []error) {
	deleted, errs = make([][]acl.Rule, len(filters)), make([]error, len(filters))
	im, err := c.Latest(ctx)
	if err != nil {
		return deleted, fillErrors(errs, err)
	}
	ids := map[acl.ID]bool{}
	for i := range filters {
		if err := filters[i].Validate(); err != nil {
			errs[i] = refusal.New(refusal.ErrInvalidRequest, "%v", err)
			continue
		}
		deleted[i] = im.ACLs().Find(&filters[i])
		for j := range deleted[i] {
			ids[deleted[i][j].ID()] = true
		}
	}
	if len(ids) > aclsAtOnceMax {
		return make([][]acl.Rule, len(filters)), fillErrors(errs, errTooManyACLs)
	}
	if err := c.deleteACLs(ctx, ids); err != nil {
		return make([][]acl.Rule, len(filters)), fillErrors(errs, err)
	}
	return deleted, errs
}

func (c *Cluster) deleteACLs(ctx context.Context, ids map[acl.ID]bool) error {
	ops := make([]store.Op, 0, len(ids))
	for id := range ids {
		ops = append(ops, store.Delete(c.keys.ACL(id)))
	}
	for batch := range slices.Chunk(ops, store.MaxTxnOps) {
		if err := c.change(ctx, func(*image.Image) decision { return decision{ops: batch, shrinks: true} }); err != nil {
			return err
		}
	}
	return nil
}

// Latest is the image that shows all that was changed before the call, by any broker.
func (c *Cluster) Latest(ctx context.Context) (*image.Image, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	var rev int64
	err := c.insist(ctx, func(ctx context.Context) (err error) {
		_, rev, err = c.o.Store.Get(ctx, c.keys.Format())
		return err
	})
	if err := c.changed(ctx, rev, err); err != nil {
		return nil, err
	}
	return c.Image(), nil
}
