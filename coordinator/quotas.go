package coordinator

import (
	"context"
	"maps"

	"github.com/lockstep-log/lockstep/coordinator/image"
	clientquota "github.com/lockstep-log/lockstep/coordinator/quota"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/store"
)

// quotaEntitiesMax bounds the entities that have quotas: every broker has them in memory.
const quotaEntitiesMax = 10_000

// AlterQuotas sets limits of an entity, and removes others, which need not be there. It
// returns when this broker's image shows them.
func (c *Cluster) AlterQuotas(ctx context.Context, e clientquota.Entity, set map[string]float64, remove []string, validateOnly bool) error {
	if err := checkQuotas(e, set); err != nil {
		return err
	}
	key := c.keys.Quota(image.QuotaEntity(e))
	return c.change(ctx, func(im *image.Image) decision {
		old := im.Quotas().Limits(e)
		values := map[string]float64{}
		maps.Copy(values, old.Values)
		for _, name := range remove {
			delete(values, name)
		}
		maps.Copy(values, set)
		d := decision{compares: []store.Compare{{Key: key, ModRevision: old.Revision}}, shrinks: len(set) == 0}
		switch {
		case validateOnly || maps.Equal(values, old.Values):
		case len(values) == 0:
			d.ops = []store.Op{store.Delete(key)}
		case old.Revision == 0 && im.Quotas().Size() >= quotaEntitiesMax:
			d.err = refusal.New(refusal.ErrInvalidRequest, "%d entities have quotas, and no more may", quotaEntitiesMax)
		default:
			d.ops = []store.Op{store.Put(key, store.Encode(values))}
		}
		return d
	})
}

func checkQuotas(e clientquota.Entity, set map[string]float64) error {
	err := e.Validate()
	for key, value := range set {
		if err == nil {
			err = clientquota.CheckLimit(key, value)
		}
	}
	if err != nil {
		return refusal.New(refusal.ErrInvalidRequest, "%v", err)
	}
	for _, p := range []clientquota.Part{e.User, e.ClientID} {
		if len(p.Name) > groupIDBytesMax {
			return refusal.New(refusal.ErrInvalidRequest, "a name has %d bytes, and may have %d", len(p.Name), groupIDBytesMax)
		}
	}
	return nil
}
