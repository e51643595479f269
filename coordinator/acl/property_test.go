package acl

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// model is the rules as a list, asked the way that Kafka's page of ACLs puts it: no
// index, no memory.
type model struct {
	rules  []Rule
	policy Policy
}

func (m *model) allows(principal, host string, op Operation, kind ResourceType, name string) bool {
	if m.policy.SuperUsers[principal] {
		return true
	}
	spoken, allowed := false, false
	for _, r := range m.rules {
		if r.Type != kind || !covers(r.Resource, name) {
			continue
		}
		spoken = true
		if r.Principal != principal && r.Principal != "User:*" || r.Host != "*" && r.Host != host {
			continue
		}
		if r.Permission == Deny && (r.Operation == OpAll || r.Operation == op) {
			return false
		}
		if r.Permission == Allow && (r.Operation == OpAll || slices.Contains(implied[r.Operation], op)) {
			allowed = true
		}
	}
	return allowed || !spoken && (m.policy.AllowIfNone || kind == TypeLock)
}

func covers(r Resource, name string) bool {
	if r.Pattern == PatternPrefixed {
		return strings.HasPrefix(name, r.Name)
	}
	return r.Name == name || r.Name == "*"
}

// implied are the operations that an allowed one allows.
var implied = map[Operation][]Operation{
	OpRead: {OpRead, OpDescribe}, OpWrite: {OpWrite, OpDescribe}, OpDelete: {OpDelete, OpDescribe}, OpAlter: {OpAlter, OpDescribe},
	OpAlterConfigs: {OpAlterConfigs, OpDescribeConfigs}, OpDescribe: {OpDescribe}, OpDescribeConfigs: {OpDescribeConfigs},
	OpCreate: {OpCreate},
}

// allowsAny tries all names that could make a difference, which is what the API
// stands for: is there a name that nothing of this denies?
func (m *model) allowsAny(principal, host string, op Operation, kind ResourceType, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		return m.allows(principal, host, op, kind, name) && (m.policy.AllowIfNone || m.policy.SuperUsers[principal] || m.named(principal, host, op, kind, name))
	})
}

func (m *model) named(principal, host string, op Operation, kind ResourceType, name string) bool {
	return slices.ContainsFunc(m.rules, func(r Rule) bool {
		return r.Type == kind && covers(r.Resource, name) && (r.Principal == principal || r.Principal == "User:*") &&
			(r.Host == "*" || r.Host == host) && r.Permission == Allow && (r.Operation == OpAll || r.Operation == op)
	})
}

func pick[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

func randomRule(rng *rand.Rand) Rule {
	return Rule{
		Resource: Resource{
			Type: pick(rng, TypeTopic, TypeTopic, TypeGroup, TypeLock), Pattern: pick(rng, PatternLiteral, PatternPrefixed),
			Name: pick(rng, "a", "ab", "abc", "abcd", "b", "*", "ba"),
		},
		Principal: pick(rng, "User:bob", "User:alice", "User:*", "user:bob", "User:bo*"), Host: pick(rng, "*", "*", "10.0.0.1", "10.0.0.*"),
		Operation:  pick(rng, OpAll, OpRead, OpWrite, OpDescribe, OpDelete, OpAlter, OpCreate, OpDescribeConfigs, OpAlterConfigs),
		Permission: pick(rng, Allow, Allow, Deny),
	}
}

// TestAccessIsWhatTheRulesSay adds and removes random rules and asks everything,
// against a model that has a list and no memory. Old sets must not change by what is
// done to newer ones.
func TestAccessIsWhatTheRulesSay(t *testing.T) {
	names := []string{"a", "ab", "abc", "abcde", "b", "c", "*", "ba", "bab"}
	for run := range 100 {
		rng := rand.New(rand.NewPCG(uint64(run), 13))
		m := model{policy: Policy{SuperUsers: map[string]bool{"User:alice": rng.IntN(4) == 0}, AllowIfNone: rng.IntN(4) == 0}}
		var set *Set
		for range 6 {
			before, held := set, slices.Clone(m.rules)
			e := NewEdit(set)
			for range rng.IntN(6) {
				if len(m.rules) > 0 && rng.IntN(3) == 0 {
					i := rng.IntN(len(m.rules))
					e.Remove(m.rules[i].ID())
					m.rules = slices.Delete(slices.Clone(m.rules), i, i+1)
					continue
				}
				r := randomRule(rng)
				if e.Add(r); !slices.Contains(m.rules, r) {
					m.rules = append(m.rules, r)
				}
			}
			set = e.Set()
			compare(t, run, &m, set, names)
			if before != nil {
				compare(t, run, &model{rules: held, policy: m.policy}, before, names)
			}
		}
	}
}

func compare(t *testing.T, run int, m *model, set *Set, names []string) {
	t.Helper()
	if set.Size() != len(m.rules) || len(set.Find(&Filter{Type: TypeLock, Pattern: PatternAny, Operation: OpAny, Permission: PermissionAny})) != set.ofType[TypeLock] {
		t.Fatalf("run %d: the set has %d rules and the model %d", run, set.Size(), len(m.rules))
	}
	for _, principal := range []string{"User:bob", "User:alice", "User:*"} {
		for _, host := range []string{"10.0.0.1", "10.0.0.2"} {
			a := NewAccess(set, &m.policy, principal, host)
			for _, kind := range []ResourceType{TypeTopic, TypeGroup, TypeLock} {
				for op := OpRead; op <= OpAlterConfigs; op++ {
					for _, name := range names {
						for range 2 { // the second time from memory
							if got, want := a.Allows(op, kind, name), m.allows(principal, host, op, kind, name); got != want {
								t.Fatalf("run %d: %s from %s, %d on %d %q: %v, want %v by %+v", run, principal, host, op, kind, name, got, want, m.rules)
							}
						}
					}
				}
			}
			// Kafka asks of patterns; of those, only a deny of everything or of a prefix outweighs.
			if want := m.allowsAny(principal, host, OpWrite, TypeGroup, names); want && !a.AllowsAny(OpWrite, TypeGroup) {
				t.Fatalf("run %d: %s from %s may not write any group, by %+v", run, principal, host, m.rules)
			}
		}
	}
}

// TestAnyTopicIsTakenBackByAName follows what Apache Kafka 4.3.1 answers to an
// idempotent producer.
func TestAnyTopicIsTakenBackByAName(t *testing.T) {
	allow := Rule{Resource{TypeTopic, PatternPrefixed, "acc-"}, "User:bob", "*", OpWrite, Allow}
	for _, c := range []struct {
		rule Rule
		want bool
	}{
		{Rule{Resource{TypeTopic, PatternLiteral, "acc-1"}, "User:bob", "*", OpWrite, Deny}, true},
		{Rule{Resource{TypeTopic, PatternPrefixed, "acc-"}, "User:bob", "*", OpWrite, Deny}, false},
		{Rule{Resource{TypeTopic, PatternPrefixed, "ac"}, "User:*", "*", OpAll, Deny}, false},
		{Rule{Resource{TypeTopic, PatternLiteral, "*"}, "User:bob", "*", OpWrite, Deny}, false},
		{Rule{Resource{TypeTopic, PatternLiteral, "*"}, "User:eve", "*", OpWrite, Deny}, true},
	} {
		e := NewEdit(nil)
		e.Add(allow)
		e.Add(c.rule)
		if got := NewAccess(e.Set(), &Policy{}, "User:bob", "::1").AllowsAny(OpWrite, TypeTopic); got != c.want {
			t.Errorf("with %+v: %v", c.rule, got)
		}
	}
	if NewAccess(nil, &Policy{}, "User:bob", "::1").AllowsAny(OpWrite, TypeTopic) {
		t.Error("without a rule bob may write any topic")
	}
}

// TestFiltersChooseAsKafkasDo, and leave out locks unless they are asked for.
func TestFiltersChooseAsKafkasDo(t *testing.T) {
	e := NewEdit(nil)
	for _, r := range []Resource{
		{TypeTopic, PatternLiteral, "acc-1"}, {TypeTopic, PatternLiteral, "*"}, {TypeTopic, PatternPrefixed, "acc"},
		{TypeGroup, PatternLiteral, "acc-1"}, {TypeLock, PatternPrefixed, "acct:"},
	} {
		e.Add(Rule{r, "User:bob", "*", OpWrite, Allow})
	}
	set, name := e.Set(), "acc-1"
	for _, c := range []struct {
		f    Filter
		want string
	}{
		{Filter{Type: TypeAny, Pattern: PatternAny}, "2:*:3 2:acc:4 2:acc-1:3 3:acc-1:3"},
		{Filter{Type: TypeAny, Pattern: PatternAny, Name: &name}, "2:acc-1:3 3:acc-1:3"},
		{Filter{Type: TypeTopic, Pattern: PatternMatch, Name: &name}, "2:*:3 2:acc:4 2:acc-1:3"},
		{Filter{Type: TypeTopic, Pattern: PatternMatch}, "2:*:3 2:acc:4 2:acc-1:3"},
		{Filter{Type: TypeTopic, Pattern: PatternLiteral}, "2:*:3 2:acc-1:3"},
		{Filter{Type: TypeTopic, Pattern: PatternPrefixed, Name: &name}, ""},
		{Filter{Type: TypeLock, Pattern: PatternAny}, "100:acct::4"},
	} {
		c.f.Operation, c.f.Permission = OpAny, PermissionAny
		if err := c.f.Validate(); err != nil {
			t.Error(err)
		}
		var got []string
		for _, r := range set.Find(&c.f) {
			got = append(got, fmt.Sprintf("%d:%s:%d", r.Type, r.Name, r.Pattern))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %v, want %s", c.f, got, c.want)
		}
	}
}

// TestRulesThatMeanNothingAreRefused, and odd ones that Kafka takes are taken.
func TestRulesThatMeanNothingAreRefused(t *testing.T) {
	good := Rule{Resource{TypeTopic, PatternLiteral, "t"}, "User:bob", "*", OpRead, Allow}
	for what, change := range map[string]func(*Rule){
		"type any": func(r *Rule) { r.Type = TypeAny }, "type 0": func(r *Rule) { r.Type = 0 }, "type 8": func(r *Rule) { r.Type = 8 },
		"match": func(r *Rule) { r.Pattern = PatternMatch }, "operation any": func(r *Rule) { r.Operation = OpAny },
		"operation 99": func(r *Rule) { r.Operation = 99 }, "permission any": func(r *Rule) { r.Permission = PermissionAny },
		"no name": func(r *Rule) { r.Name = "" }, "cluster": func(r *Rule) { r.Type = TypeCluster },
		"no colon": func(r *Rule) { r.Principal = "bob" }, "a lock is not read": func(r *Rule) { r.Type = TypeLock },
		"long": func(r *Rule) { r.Host = strings.Repeat("x", nameBytesMax+1) },
	} {
		r := good
		if change(&r); r.Validate() == nil {
			t.Errorf("%s is taken", what)
		}
	}
	for _, principal := range []string{"User:", ":bob", "User:bob"} {
		r := good
		if r.Principal, r.Host, r.Operation = principal, "", OpClusterAction; r.Validate() != nil {
			t.Errorf("%q is refused: %v", principal, r.Validate())
		}
	}
}

func setOf(rules int) *Set {
	e := NewEdit(nil)
	for i := range rules {
		e.Add(Rule{Resource{TypeTopic, PatternLiteral, fmt.Sprintf("topic-%d", i)}, fmt.Sprintf("User:u%d", i%100), "*", OpWrite, Allow})
	}
	e.Add(Rule{Resource{TypeTopic, PatternPrefixed, "acc-"}, "User:bob", "*", OpWrite, Allow})
	return e.Set()
}

func BenchmarkAllows(b *testing.B) {
	for _, rules := range []int{0, 1000, 100_000} {
		set := setOf(rules)
		b.Run(fmt.Sprintf("again/rules=%d", rules), func(b *testing.B) {
			a := NewAccess(set, &Policy{}, "User:bob", "127.0.0.1")
			b.ReportAllocs()
			for b.Loop() {
				if !a.Allows(OpWrite, TypeTopic, "acc-1") {
					b.Fatal("denied")
				}
			}
		})
		b.Run(fmt.Sprintf("first/rules=%d", rules), func(b *testing.B) {
			a := NewAccess(set, &Policy{}, "User:bob", "127.0.0.1")
			b.ReportAllocs()
			for b.Loop() {
				if !a.decide(question{op: OpWrite, kind: TypeTopic, name: "acc-1"}) {
					b.Fatal("denied")
				}
			}
		})
	}
}

func BenchmarkEditOneOf100000(b *testing.B) {
	set := setOf(100_000)
	r := Rule{Resource{TypeTopic, PatternLiteral, "one"}, "User:bob", "*", OpWrite, Allow}
	b.ReportAllocs()
	for b.Loop() {
		e := NewEdit(set)
		e.Add(r)
		e.Set()
	}
}
