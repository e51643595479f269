package store

import (
	"context"
	"errors"
	"time"
)

// MaxTxnOps bounds the compares and the ops of one transaction, each. It is
// etcd's default, so that any outside etcd will do.
const MaxTxnOps = 128

// Errors of a Store. ErrUnavailable is the one to expect in normal life:
// the outcome of a transaction that returns it is not known.
var (
	ErrUnavailable   = errors.New("metadata store is unavailable")
	ErrCompacted     = errors.New("revision is compacted")
	ErrLeaseNotFound = errors.New("lease not found")
	ErrBadTxn        = errors.New("bad transaction")
	// ErrFull refuses what would make the store larger. What makes it smaller goes on.
	ErrFull = errors.New("metadata store is full")
)

// Store is a linearizable map from keys to values. Every transaction that
// changes something has a revision, one above the last; all its changes carry
// that revision and are seen together or not at all.
//
// It is safe for concurrent use. Every call takes part of the order of all
// calls: what a call that has returned did is seen by every later one.
type Store interface {
	// Get returns the key's value, and the revision it was read at. A key that
	// is absent has ModRevision 0.
	Get(ctx context.Context, key string) (KeyValue, int64, error)
	// List returns all keys under the prefix, by key, as of one revision.
	List(ctx context.Context, prefix string) ([]KeyValue, int64, error)
	// Txn applies the ops if every compare holds. It returns the revision that
	// the ops got; when ok is false, nothing changed and rev says when that was so.
	// No two ops may touch the same key.
	Txn(ctx context.Context, compares []Compare, ops []Op) (ok bool, rev int64, err error)
	// Watch delivers every change under the prefix from revision fromRev on, in
	// order and without gaps. The changes of one revision are never split. The
	// channel closes after ctx ends, or after an update with Err: ErrCompacted
	// (list again) or ErrUnavailable (watch again from where it ended).
	Watch(ctx context.Context, prefix string, fromRev int64) <-chan Update
	// GrantLease makes a lease. Keys put with it vanish when it is revoked or not
	// kept alive for ttl; a store may round ttl up.
	GrantLease(ctx context.Context, ttl time.Duration) (LeaseID, error)
	// KeepAlive renews a lease once. ErrLeaseNotFound: it has ended.
	KeepAlive(ctx context.Context, id LeaseID) error
	// RevokeLease ends a lease and deletes its keys. An ended one is no error.
	RevokeLease(ctx context.Context, id LeaseID) error
	// Close ends the watches and lets go of the store. It does not revoke leases.
	Close() error
}

// LeaseID names a lease; 0 is none.
type LeaseID int64

// KeyValue is one key as of one revision.
type KeyValue struct {
	Key         string
	Value       []byte
	ModRevision int64 // of the newest change; 0: the key is absent
	Lease       LeaseID
}

// Compare holds if the key's newest change has this revision; 0: if it is absent.
type Compare struct {
	Key         string
	ModRevision int64
}

// Absent compares that the key does not exist.
func Absent(key string) Compare { return Compare{Key: key} }

// OpKind says what an Op does.
type OpKind uint8

// The kinds of Op.
const (
	OpPut          OpKind = iota + 1 // set Key to Value, under Lease
	OpDelete                         // delete Key, if it is there
	OpDeletePrefix                   // delete all keys that begin with Key
)

// Op is one change of a transaction.
type Op struct {
	Kind  OpKind
	Key   string
	Value []byte
	Lease LeaseID // 0: the key stays until deleted
}

// Put sets a key for good.
func Put(key string, value []byte) Op { return Op{Kind: OpPut, Key: key, Value: value} }

// PutLeased sets a key for as long as the lease lives.
func PutLeased(key string, value []byte, lease LeaseID) Op {
	return Op{Kind: OpPut, Key: key, Value: value, Lease: lease}
}

// Delete removes a key.
func Delete(key string) Op { return Op{Kind: OpDelete, Key: key} }

// DeletePrefix removes every key under a prefix.
func DeletePrefix(prefix string) Op { return Op{Kind: OpDeletePrefix, Key: prefix} }

// Event is one change of one key. Deleted: the key went, and only Key and
// ModRevision of KV stand.
type Event struct {
	KV      KeyValue
	Deleted bool
}

// Update is what a watch delivers: the events of one or more whole revisions,
// up to and with Revision; or the error that ends the watch.
type Update struct {
	Revision int64
	Events   []Event
	Err      error
}
