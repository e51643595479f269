package acl

import (
	"strings"
	"sync"
)

// Policy is what stands above the rules.
type Policy struct {
	// SuperUsers, each Type:Name, may do everything.
	SuperUsers map[string]bool
	// AllowIfNone is allow.everyone.if.no.acl.found: what no rule speaks of is allowed.
	AllowIfNone bool
}

// Access is what one principal on one host may do by one Set. It is safe for
// concurrent use. A change of the rules is another Set, and so another Access.
type Access struct {
	set       *Set
	policy    *Policy
	principal string
	host      string

	mu struct {
		sync.Mutex
		decided map[question]bool
	}
}

// question is what was asked, and so may be remembered.
type question struct {
	op   Operation
	kind ResourceType
	name string // "" with anyOf: any resource of the kind
	any  bool
}

// decidedMax bounds what one Access remembers.
const decidedMax = 1024

// NewAccess is the access of a principal, Type:Name, that comes from an address. The
// set may be nil.
func NewAccess(set *Set, policy *Policy, principal, host string) *Access {
	if set == nil {
		set = &Set{}
	}
	a := &Access{set: set, policy: policy, principal: principal, host: host}
	a.mu.decided = map[question]bool{}
	return a
}

// Of reports whether the access is by this Set.
func (a *Access) Of(set *Set) bool { return a.set == set }

// HasLocks reports whether any rule speaks of locks.
func (a *Access) HasLocks() bool { return a.set.HasLocks() }

// Allows reports whether the principal may do the operation on the resource of that
// very name.
func (a *Access) Allows(op Operation, kind ResourceType, name string) bool {
	return a.remembered(question{op: op, kind: kind, name: name}, a.decide)
}

// AllowsAny reports whether the principal may do the operation on some resource of
// the kind, there or not: what an idempotent producer needs of topics.
func (a *Access) AllowsAny(op Operation, kind ResourceType) bool {
	return a.remembered(question{op: op, kind: kind, any: true}, a.decideAny)
}

func (a *Access) remembered(q question, decide func(question) bool) bool {
	if a.policy.SuperUsers[a.principal] {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	allowed, known := a.mu.decided[q]
	if !known {
		if len(a.mu.decided) >= decidedMax {
			clear(a.mu.decided)
		}
		allowed = decide(q)
		q.name = strings.Clone(q.name) // it may be a part of a request's bytes
		a.mu.decided[q] = allowed
	}
	return allowed
}

// Operations are those of the given ones that are allowed, as bits by their numbers (KIP-430).
func (a *Access) Operations(kind ResourceType, name string, of int32) (bits int32) {
	for op := OpRead; op <= OpTwoPhaseCommit; op++ {
		if of&(1<<op) != 0 && a.Allows(op, kind, name) {
			bits |= 1 << op
		}
	}
	return bits
}

// decide looks at the rules. A deny ends it.
func (a *Access) decide(q question) bool {
	spoken, allowed := false, false
	for said := range a.set.matching(q.kind, q.name) {
		spoken = true
		for _, principal := range [...]string{a.principal, EveryPrincipal} {
			for _, g := range said.grants[principal] {
				switch {
				case !g.holdsFor(a.host) || !g.speaksOf(q.op):
				case g.permission == Deny:
					return false
				default:
					allowed = true
				}
			}
		}
	}
	return allowed || !spoken && (a.policy.AllowIfNone || q.kind == TypeLock)
}

func (g *grant) holdsFor(host string) bool { return g.host == Wildcard || g.host == host }

// speaksOf reports whether the grant is about an operation: an allowed one implies
// others, a denied one does not.
func (g *grant) speaksOf(op Operation) bool {
	if g.operation == OpAll || g.operation == op {
		return true
	}
	if g.permission == Deny {
		return false
	}
	switch op {
	case OpDescribe:
		return g.operation == OpRead || g.operation == OpWrite || g.operation == OpDelete || g.operation == OpAlter
	case OpDescribeConfigs:
		return g.operation == OpAlterConfigs
	}
	return false
}

// unnamed stands for a name that no rule names. Kafka asks for one of its own.
const unnamed = "hardcode"

// decideAny follows Kafka's Authorizer.authorizeByResourceType: an allowed pattern
// counts unless the same name, a prefix of it, or everything is denied. Nothing is
// implied here: Write is Write.
func (a *Access) decideAny(q question) bool {
	if a.decide(question{op: q.op, kind: q.kind, name: unnamed}) {
		return true
	}
	allowed, denied := a.patterns(q)
	if denied[Resource{q.kind, PatternLiteral, Wildcard}] {
		return false
	}
	for r := range allowed {
		if !dominated(r, denied) {
			return true
		}
	}
	return false
}

// patterns are the resources of a kind of which the principal is allowed, and denied,
// the operation.
func (a *Access) patterns(q question) (allowed, denied map[Resource]bool) {
	allowed, denied = map[Resource]bool{}, map[Resource]bool{}
	for r, said := range a.set.resources(q.kind) {
		for _, principal := range [...]string{a.principal, EveryPrincipal} {
			for _, g := range said.grants[principal] {
				switch {
				case !g.holdsFor(a.host) || g.operation != OpAll && g.operation != q.op:
				case g.permission == Deny:
					denied[r] = true
				default:
					allowed[r] = true
				}
			}
		}
	}
	return allowed, denied
}

// dominated reports whether an allowed pattern is denied as a whole.
func dominated(r Resource, denied map[Resource]bool) bool {
	if r.Pattern == PatternLiteral && r.Name == Wildcard {
		return false
	}
	if r.Pattern == PatternLiteral && denied[r] {
		return true
	}
	for n := 1; n <= len(r.Name); n++ {
		if denied[Resource{r.Type, PatternPrefixed, r.Name[:n]}] {
			return true
		}
	}
	return false
}
