package coordinator

import (
	"context"
	"crypto/rand"
	"maps"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/store"
)

const (
	usersMax     = 10_000 // who have credentials: each broker has them all in memory
	secretBytes  = 32
	userBytesMax = 1024 // of a name, which is a part of a key
)

// UserChange is what is to become of one user's credentials of SCRAM.
type UserChange struct {
	Set    store.UserValue // by mechanism
	Delete []string        // mechanisms; each must be set
}

// AlterUser changes a user's credentials. Who has none left is gone.
func (c *Cluster) AlterUser(ctx context.Context, name string, ch UserChange) error {
	if len(name) > userBytesMax {
		return refusal.New(refusal.ErrInvalidRequest, "The user's name has %d bytes, and may have %d", len(name), userBytesMax)
	}
	key := c.keys.User(name)
	return c.change(ctx, func(im *image.Image) decision {
		old := im.User(name)
		d := decision{compares: []store.Compare{{Key: key, ModRevision: old.Revision}}, shrinks: len(ch.Set) == 0}
		values := store.UserValue{}
		maps.Copy(values, old.Credentials)
		for _, mechanism := range ch.Delete {
			if _, ok := values[mechanism]; !ok {
				d.err = refusal.New(refusal.ErrUnknownUser, "Attempt to delete a user credential that does not exist")
				return d
			}
			delete(values, mechanism)
		}
		maps.Copy(values, ch.Set)
		switch {
		case old.Revision == 0 && len(values) > 0 && im.UserCount() >= usersMax:
			d.err = refusal.New(refusal.ErrInvalidRequest, "%d users have credentials, and no more may", usersMax)
		case len(values) == 0:
			d.ops = []store.Op{store.Delete(key)}
		default:
			d.ops = []store.Op{store.Put(key, store.Encode(values))}
		}
		return d
	})
}

// EnsureSecret makes the cluster's secret, if there is none.
func (c *Cluster) EnsureSecret(ctx context.Context) error {
	fresh := make([]byte, secretBytes)
	rand.Read(fresh)
	key := c.keys.Secret()
	return c.change(ctx, func(im *image.Image) decision {
		if im.Secret() != nil {
			return decision{}
		}
		return decision{
			compares: []store.Compare{{Key: key}},
			ops:      []store.Op{store.Put(key, store.Encode(store.SecretValue{Salts: fresh}))},
		}
	})
}
