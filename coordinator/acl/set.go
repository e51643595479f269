package acl

import (
	"cmp"
	"hash/maphash"
	"iter"
	"maps"
	"slices"
)

// shardCount is into how many maps the rules are divided: a change copies one of
// them, and not all rules.
const shardCount = 256

// Set is all rules, indexed by what they speak of. It never changes and is safe for
// concurrent use. The zero value has no rule.
//
// Rules lie under their resource and, there, under their principal, so that a
// question looks at a handful of keys: the name, "*", and those prefixes of the name
// that have a length which some rule has.
type Set struct {
	byID       [shardCount]map[ID]Rule
	byResource [shardCount]map[Resource]*about
	lengths    map[ResourceType][]prefixLength // ascending
	ofType     map[ResourceType]int
	size       int
}

// about is all that is said about one resource.
type about struct {
	grants map[string][]grant // by principal
}

// grant is a rule without its resource and principal.
type grant struct {
	host       string
	operation  Operation
	permission Permission
}

// prefixLength is a length of prefixed patterns, and how many resources have it.
type prefixLength struct{ bytes, resources int }

var seed = maphash.MakeSeed()

func shardOf(r Resource) int { return int(maphash.Comparable(seed, r) % shardCount) }

// Size is the number of rules.
func (s *Set) Size() int { return s.size }

// HasLocks reports whether any rule speaks of locks.
func (s *Set) HasLocks() bool { return s.ofType[TypeLock] > 0 }

// Rule finds a rule by its id.
func (s *Set) Rule(id ID) (Rule, bool) {
	r, ok := s.byID[id[0]][id]
	return r, ok
}

// All goes over all rules, in no order.
func (s *Set) All() iter.Seq[Rule] {
	return func(yield func(Rule) bool) {
		for _, shard := range s.byID {
			for _, r := range shard {
				if !yield(r) {
					return
				}
			}
		}
	}
}

// resources goes over what is said about each resource of a type.
func (s *Set) resources(t ResourceType) iter.Seq2[Resource, *about] {
	return func(yield func(Resource, *about) bool) {
		for _, shard := range s.byResource {
			for r, a := range shard {
				if r.Type == t && !yield(r, a) {
					return
				}
			}
		}
	}
}

func (s *Set) about(r Resource) *about { return s.byResource[shardOf(r)][r] }

// matching goes over what is said about a name: under itself, under "*" and under
// each prefix of it.
func (s *Set) matching(t ResourceType, name string) iter.Seq[*about] {
	return func(yield func(*about) bool) {
		if a := s.about(Resource{t, PatternLiteral, name}); a != nil && !yield(a) {
			return
		}
		if name != Wildcard {
			if a := s.about(Resource{t, PatternLiteral, Wildcard}); a != nil && !yield(a) {
				return
			}
		}
		for _, n := range s.lengths[t] {
			if n.bytes > len(name) {
				return
			}
			if a := s.about(Resource{t, PatternPrefixed, name[:n.bytes]}); a != nil && !yield(a) {
				return
			}
		}
	}
}

// Edit makes a Set out of another one. It is a plain value of one goroutine and used once.
type Edit struct {
	next   Set
	ids    [shardCount]bool // those shards that this edit made, and may change
	shards [shardCount]bool
	made   map[*about]bool
}

// NewEdit begins with a Set; nil is the empty one.
func NewEdit(base *Set) *Edit {
	e := &Edit{made: map[*about]bool{}}
	if base != nil {
		e.next = *base
	}
	e.next.lengths, e.next.ofType = maps.Clone(e.next.lengths), maps.Clone(e.next.ofType)
	if e.next.lengths == nil {
		e.next.lengths, e.next.ofType = map[ResourceType][]prefixLength{}, map[ResourceType]int{}
	}
	return e
}

// Set ends the edit.
func (e *Edit) Set() *Set { return &e.next }

// Add adds a rule, once.
func (e *Edit) Add(r Rule) {
	id := r.ID()
	if _, there := e.next.Rule(id); there {
		return
	}
	e.ownIDs(id)[id] = r
	a := e.own(r.Resource)
	a.grants[r.Principal] = append(slices.Clip(a.grants[r.Principal]), grant{r.Host, r.Operation, r.Permission})
	e.next.size++
	e.next.ofType[r.Type]++
}

// Remove takes a rule away, if it is there.
func (e *Edit) Remove(id ID) {
	r, there := e.next.Rule(id)
	if !there {
		return
	}
	delete(e.ownIDs(id), id)
	a := e.own(r.Resource)
	kept := slices.DeleteFunc(slices.Clone(a.grants[r.Principal]), func(g grant) bool {
		return g == grant{r.Host, r.Operation, r.Permission}
	})
	if a.grants[r.Principal] = kept; len(kept) == 0 {
		delete(a.grants, r.Principal)
	}
	if len(a.grants) == 0 {
		delete(e.next.byResource[shardOf(r.Resource)], r.Resource)
		e.countPrefix(r.Resource, -1)
	}
	e.next.size--
	e.next.ofType[r.Type]--
}

func (e *Edit) ownIDs(id ID) map[ID]Rule {
	shard := &e.next.byID[id[0]]
	if !e.ids[id[0]] {
		e.ids[id[0]] = true
		if *shard = maps.Clone(*shard); *shard == nil {
			*shard = map[ID]Rule{}
		}
	}
	return *shard
}

// own returns what is said about a resource, as a copy that this edit may change.
func (e *Edit) own(r Resource) *about {
	i := shardOf(r)
	shard := &e.next.byResource[i]
	if !e.shards[i] {
		e.shards[i] = true
		if *shard = maps.Clone(*shard); *shard == nil {
			*shard = map[Resource]*about{}
		}
	}
	a := (*shard)[r]
	if a != nil && e.made[a] {
		return a
	}
	own := &about{grants: map[string][]grant{}}
	if a != nil {
		own.grants = maps.Clone(a.grants)
	} else {
		e.countPrefix(r, +1)
	}
	(*shard)[r], e.made[own] = own, true
	return own
}

// countPrefix notes that there is one more, or one less, prefixed resource of a length.
func (e *Edit) countPrefix(r Resource, by int) {
	if r.Pattern != PatternPrefixed {
		return
	}
	all := slices.Clone(e.next.lengths[r.Type])
	i, found := slices.BinarySearchFunc(all, len(r.Name), func(n prefixLength, bytes int) int { return cmp.Compare(n.bytes, bytes) })
	if !found {
		all = slices.Insert(all, i, prefixLength{bytes: len(r.Name)})
	}
	if all[i].resources += by; all[i].resources == 0 {
		all = slices.Delete(all, i, i+1)
	}
	e.next.lengths[r.Type] = all
}
