package coordinator

import (
	"errors"
	"fmt"
	"testing"

	"github.com/lockstep-log/lockstep/coordinator/acl"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
)

func readRule(topic, principal string) acl.Rule {
	return acl.Rule{
		Resource:  acl.Resource{Type: acl.TypeTopic, Pattern: acl.PatternLiteral, Name: topic},
		Principal: principal, Host: "*", Operation: acl.OpRead, Permission: acl.Allow,
	}
}

// What one broker writes the other sees, a repeat changes nothing, bad ones are
// refused one by one, and what was deleted on one is gone on the other.
func TestACLsAreTheClusters(t *testing.T) {
	a, b, s := losingPair(t)
	ctx := background(t)
	rules := []acl.Rule{readRule("t", "User:bob"), readRule("", "User:bob"), readRule("t", "User:bob")}
	for i := range 300 {
		rules = append(rules, readRule(fmt.Sprint("many-", i), "User:eve"))
	}
	s.lose(fate{}, fate{made: true})
	errs := a.CreateACLs(ctx, rules)
	for i, err := range errs {
		if refused := i == 1; errors.Is(err, refusal.ErrInvalidRequest) != refused || !refused && err != nil {
			t.Fatalf("rule %d: %v", i, err)
		}
	}
	if n := a.Image().ACLs().Size(); n != 301 {
		t.Fatalf("%d ACLs", n)
	}
	b.eventually(t, func(im *image.Image) bool { return im.ACLs().Size() == 301 })
	before := b.Image().ACLs()
	for _, err := range b.CreateACLs(ctx, rules[:1]) {
		noError(t, err)
	}
	if b.Image().ACLs() != before {
		t.Error("an ACL that is there makes another set")
	}
	eve := "User:eve"
	any := acl.Filter{Type: acl.TypeAny, Pattern: acl.PatternAny, Operation: acl.OpAny, Permission: acl.PermissionAny}
	hers, bad := any, any
	hers.Principal, bad.Operation = &eve, 99
	deleted, errs := b.DeleteACLs(ctx, []acl.Filter{hers, bad})
	if errs[0] != nil || len(deleted[0]) != 300 || !errors.Is(errs[1], refusal.ErrInvalidRequest) {
		t.Fatalf("deleted %d, %v", len(deleted[0]), errs)
	}
	a.eventually(t, func(im *image.Image) bool { return im.ACLs().Size() == 1 })
	// Who has not seen a change yet deletes it all the same.
	noError(t, b.CreateACLs(ctx, []acl.Rule{readRule("late", "User:eve")})[0])
	if deleted, errs = a.DeleteACLs(ctx, []acl.Filter{hers}); errs[0] != nil || len(deleted[0]) != 1 {
		t.Fatalf("deleted %v, %v", deleted, errs)
	}
	if errs := a.CreateACLs(ctx, make([]acl.Rule, aclsAtOnceMax+1)); !errors.Is(errs[0], refusal.ErrTooLarge) {
		t.Error("a request of any size is taken")
	}
}
