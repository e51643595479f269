package image

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/lockstep-log/lockstep/coordinator/quota"
	"github.com/lockstep-log/lockstep/coordinator/store"
)

// Quotas are all quotas. Two images have the very same Set as long as none changes; it
// is nil where none was ever set.
func (im *Image) Quotas() *quota.Set { return im.quotas }

func (f *Fold) addQuota(entity string, e store.Event) error {
	of, err := quotaEntity(entity)
	if err != nil {
		return fmt.Errorf("key %s: %w", e.KV.Key, err)
	}
	var values map[string]float64
	if !e.Deleted {
		if values, err = store.Decode[map[string]float64](e.KV); err != nil {
			return err
		}
	}
	f.next.quotas = f.next.quotas.With(of, values, e.KV.ModRevision)
	return nil
}

// The names of an entity's parts in its key.
const (
	quotaUser   = "user"
	quotaClient = "client"
)

// QuotaEntity is an entity as its key has it.
func QuotaEntity(e quota.Entity) string {
	var parts []string
	for _, p := range []struct {
		name string
		quota.Part
	}{{quotaUser, e.User}, {quotaClient, e.ClientID}} {
		switch {
		case p.Named:
			parts = append(parts, p.name+"="+url.PathEscape(p.Name))
		case p.Default:
			parts = append(parts, p.name)
		}
	}
	return strings.Join(parts, "/")
}

func quotaEntity(s string) (e quota.Entity, err error) {
	for item := range strings.SplitSeq(s, "/") {
		kind, name, named := strings.Cut(item, "=")
		part := quota.Default
		if named {
			if name, err = url.PathUnescape(name); err != nil {
				return e, err
			}
			part = quota.Named(name)
		}
		switch kind {
		case quotaUser:
			e.User = part
		case quotaClient:
			e.ClientID = part
		default:
			return e, fmt.Errorf("an entity of quotas has no part %q", kind)
		}
	}
	return e, e.Validate()
}
