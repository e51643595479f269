package image

import (
	"maps"
	"slices"

	"github.com/lockstep-log/lockstep/coordinator/store"
)

// User is a user's credentials of SCRAM, by mechanism. They are not to be changed.
type User struct {
	Credentials store.UserValue
	Revision    int64 // of the user's key; 0: there is no such user
}

// User returns a user; the zero value: there is none of the name.
func (im *Image) User(name string) User { return im.users[name] }

// Users are the names of all users, sorted.
func (im *Image) Users() []string { return slices.Sorted(maps.Keys(im.users)) }

// UserCount is how many there are.
func (im *Image) UserCount() int { return len(im.users) }

// Secret is random bytes that only the brokers of the cluster know; nil: none were
// made yet. They are not to be changed.
func (im *Image) Secret() []byte { return im.secret }

func (f *Fold) addUser(name string, e store.Event) error {
	if e.Deleted {
		f.next.users = put(f.next.users, name, User{}, false)
		return nil
	}
	v, err := store.Decode[store.UserValue](e.KV)
	if err != nil {
		return err
	}
	f.next.users = put(f.next.users, name, User{Credentials: v, Revision: e.KV.ModRevision}, true)
	return nil
}

func (f *Fold) addSecret(e store.Event) error {
	if e.Deleted {
		f.next.secret = nil
		return nil
	}
	v, err := store.Decode[store.SecretValue](e.KV)
	if err == nil {
		f.next.secret = v.Salts
	}
	return err
}
