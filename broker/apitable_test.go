package broker

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-log/lockstep/protocol"
)

// TestTheTableOfAPIsHasARowForEachThatIsAdvertised, and for no other, and finds
// it by its key.
func TestTheTableOfAPIsHasARowForEachThatIsAdvertised(t *testing.T) {
	var advertised, served []int16
	for _, v := range protocol.APIs() {
		advertised = append(advertised, v.Key)
	}
	for i := range apis {
		a := &apis[i]
		served = append(served, a.key)
		if lookup(a.key) != a {
			t.Errorf("lookup finds another row than that of %s", a.name())
		}
	}
	if !slices.Equal(advertised, served) {
		t.Errorf("advertised: %v\n    served: %v", advertised, served)
	}
	for _, key := range []int16{-1, 4, 1000} {
		if lookup(key) != nil {
			t.Errorf("there is a row for key %d", key)
		}
	}
}

// TestEveryRowOfTheTableIsComplete: a row without a need, an audience or a quota
// was forgotten, and would let everybody in once they are enforced.
func TestEveryRowOfTheTableIsComplete(t *testing.T) {
	for i := range apis {
		a := &apis[i]
		if a.call.newRequest == nil || a.call.handle == nil {
			t.Errorf("%s has no handler", a.name())
			continue
		}
		if key := a.call.newRequest().Key(); key != a.key {
			t.Errorf("%s decodes requests of key %d", a.name(), key)
		}
		if a.audience == 0 || a.quota == 0 {
			t.Errorf("%s: audience %d, quota %d", a.name(), a.audience, a.quota)
		}
		if open := slices.Contains([]int16{protocol.KeyApiVersions, protocol.KeySaslHandshake, protocol.KeySaslAuthenticate}, a.key); open != (len(a.needs) == 0) {
			t.Errorf("%s has %d needs", a.name(), len(a.needs))
		}
		for j, n := range a.needs {
			if n.operation == 0 || n.resource == 0 {
				t.Errorf("%s: need %d is %+v", a.name(), j, n)
			}
			if n.scope == scopeInstead && (j+1 == len(a.needs) || a.needs[j+1].when != n.when) {
				t.Errorf("%s: need %d stands instead of none", a.name(), j)
			}
		}
		versions, _ := protocol.Lookup(a.key)
		if (a.strictFrom > 0) != (a.quota == quotaMutation) || a.strictFrom > versions.Max {
			t.Errorf("%s: quota %d, strict from version %d", a.name(), a.quota, a.strictFrom)
		}
		if versions.Min < versions.ServeMin && a.refused == nil {
			t.Errorf("%s advertises versions that it does not serve, and says nothing of them", a.name())
		}
	}
}

// TestThePageOfTheProtocolListsWhatIsServed holds the first columns of the table
// in docs/protocol.md, and its order, to the table of APIs.
func TestThePageOfTheProtocolListsWhatIsServed(t *testing.T) {
	page, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "| key | API | advertised | served |\n| --- | --- | --- | --- |\n")
	if !found {
		t.Fatal("docs/protocol.md has no table of APIs")
	}
	var rows []string
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		rows = append(rows, line)
	}
	if len(rows) != len(apis) {
		t.Errorf("the page has %d rows, %d APIs are served", len(rows), len(apis))
	}
	for i := range min(len(rows), len(apis)) {
		v, _ := protocol.Lookup(apis[i].key)
		want := fmt.Sprintf("| %d | %s | %s | ", v.Key, v.Name, versionRange(v.Min, v.Max))
		if v.ServeMin > v.Min {
			want += versionRange(v.ServeMin, v.Max) + ";"
		}
		if !strings.HasPrefix(rows[i], want) {
			t.Errorf("the page says %q, want a row that begins %q", rows[i], want)
		}
	}
}

// versionRange is 0-9, or 0 for one version.
func versionRange(from, to int16) string {
	if from == to {
		return fmt.Sprint(from)
	}
	return fmt.Sprintf("%d-%d", from, to)
}
