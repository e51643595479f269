package acl

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

// Filter chooses rules. A text that is nil, and an Any, choose all.
type Filter struct {
	Type       ResourceType
	Pattern    Pattern
	Name       *string
	Principal  *string
	Host       *string
	Operation  Operation
	Permission Permission
}

// Validate refuses a filter that means nothing.
func (f *Filter) Validate() error {
	switch {
	case f.Type != TypeAny && !f.Type.valid(), f.Pattern < PatternAny || f.Pattern > PatternPrefixed:
		return errors.New("Unknown patternFilter.") //nolint:staticcheck // Kafka's words
	case f.Operation < OpAny || f.Operation > OpTwoPhaseCommit, f.Permission < PermissionAny || f.Permission > Allow:
		return errors.New("Unknown entryFilter.") //nolint:staticcheck // Kafka's
	}
	return nil
}

// Matches reports whether the filter chooses a rule. Locks are chosen only by their
// own type: who asks for any has never heard of them.
func (f *Filter) Matches(r *Rule) bool {
	switch {
	case f.Type == TypeAny && r.Type == TypeLock, f.Type != TypeAny && f.Type != r.Type:
		return false
	case f.Operation != OpAny && f.Operation != r.Operation, f.Permission != PermissionAny && f.Permission != r.Permission:
		return false
	case f.Principal != nil && *f.Principal != r.Principal, f.Host != nil && *f.Host != r.Host:
		return false
	}
	return f.matchesName(&r.Resource)
}

func (f *Filter) matchesName(r *Resource) bool {
	if f.Pattern == PatternLiteral || f.Pattern == PatternPrefixed {
		return f.Pattern == r.Pattern && (f.Name == nil || *f.Name == r.Name)
	}
	switch {
	case f.Name == nil || *f.Name == r.Name:
		return true
	case f.Pattern == PatternAny:
		return false
	case r.Pattern == PatternPrefixed:
		return strings.HasPrefix(*f.Name, r.Name)
	}
	return r.Name == Wildcard
}

// Find returns the rules that the filter chooses, in order.
func (s *Set) Find(f *Filter) []Rule {
	var found []Rule
	for r := range s.All() {
		if f.Matches(&r) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, compareRules)
	return found
}

func compareRules(a, b Rule) int {
	return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Pattern, b.Pattern),
		cmp.Compare(a.Principal, b.Principal), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Operation, b.Operation),
		cmp.Compare(a.Permission, b.Permission))
}
