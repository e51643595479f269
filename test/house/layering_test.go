package house

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// floor is a room and the rooms of ours that it may import. A room always may
// import what is inside it. Rooms that nobody has built yet are no fault.
type floor struct {
	room string
	may  []string
}

// floors goes from the cellar to the roof: each room stands only on rooms
// above it in this table, and siblings never meet.
var floors = []floor{
	{"internal/invariant", nil},
	{"internal/notify", nil},
	{"internal/authority", nil},
	{"protocol", []string{"internal/invariant"}},
	{"protocol/record", []string{"internal/invariant", "protocol"}},
	{"segment", []string{"internal/invariant", "protocol"}},
	{"conflict", []string{"internal/invariant", "protocol"}},
	{"coordinator/refusal", nil},
	{"coordinator/store", []string{"internal/invariant", "protocol"}},
	{"coordinator/store/etcd", []string{"internal/invariant", "internal/authority", "protocol", "coordinator/store", "coordinator/refusal"}},
	{"coordinator/acl", nil},
	{"coordinator/quota", nil},
	{"coordinator/image", []string{"internal/invariant", "protocol", "coordinator/store", "coordinator/acl", "coordinator/quota"}},
	{"coordinator/plan", []string{"internal/invariant", "protocol", "coordinator/image", "coordinator/refusal"}},
	{"coordinator", []string{"internal/invariant", "internal/notify", "protocol",
		"coordinator/refusal", "coordinator/store", "coordinator/acl", "coordinator/quota", "coordinator/image", "coordinator/plan"}},
	{"replica", []string{"internal/invariant", "internal/notify", "protocol", "segment", "conflict"}},
	{"broker/partitions", []string{"internal/invariant", "internal/notify", "protocol", "segment", "conflict", "coordinator", "replica"}},
	{"broker/admin", []string{"internal/invariant", "internal/notify", "protocol", "segment", "conflict", "coordinator", "replica", "broker/partitions"}},
	{"broker/coordination", []string{"internal/invariant", "internal/notify", "protocol", "segment", "conflict", "coordinator", "replica"}},
	{"broker/security", []string{"internal/invariant", "internal/authority"}},
	{"broker/audit", nil},
	{"broker/transport", []string{"internal/invariant", "internal/authority", "protocol"}},
	{"broker/fetching", []string{"internal/invariant", "internal/notify", "protocol", "segment", "replica", "broker/partitions"}},
	{"broker/replication", []string{"internal/notify", "protocol", "segment", "conflict", "coordinator", "replica",
		"broker/transport", "broker/partitions", "broker/fetching"}},
	{"broker", []string{"internal/invariant", "internal/notify", "internal/authority", "protocol", "segment", "conflict", "coordinator", "replica", "broker/security", "broker/transport", "broker/fetching", "broker/partitions", "broker/coordination", "broker/replication", "broker/audit", "broker/admin"}},
	{"client", []string{"internal/invariant", "protocol"}},
	{"internal/cli/command", []string{"internal/invariant", "protocol", "client"}},
	{"internal/bench", []string{"internal/invariant", "protocol", "client", "internal/cli/command"}},
	{"internal/demo", []string{"internal/invariant", "protocol", "client", "internal/cli/command"}},
	{"internal/dump", []string{"internal/invariant", "protocol", "segment", "conflict", "replica", "broker", "internal/cli/command"}},
	{"internal/cli", []string{"internal/invariant", "protocol", "segment", "conflict", "coordinator", "replica", "broker", "client",
		"internal/authority", "internal/cli/command", "internal/bench", "internal/demo", "internal/dump"}},
	{"cmd", []string{"internal/cli"}},
	{"test", []string{"internal/invariant", "internal/authority", "protocol", "segment", "conflict", "coordinator", "replica", "broker", "client", "cmd"}},
}

// floorOf finds the most particular room that holds a package.
func floorOf(room string) (floor, bool) {
	var best floor
	var found bool
	for _, f := range floors {
		if under(room, []string{f.room}) && len(f.room) >= len(best.room) {
			best, found = f, true
		}
	}
	return best, found
}

// mayImport holds for code and for its tests alike. What is inside a room
// belongs to it, but protocol is the one room whose inner room is a floor of
// its own: record stands on protocol and not the other way round.
func mayImport(from, to string) bool {
	f, ok := floorOf(from)
	if !ok {
		return false
	}
	if g, _ := floorOf(to); g.room == f.room {
		return true
	}
	return under(to, f.may)
}

// TestImportsGoDown holds every import within the module against the table of
// floors.
func TestImportsGoDown(t *testing.T) {
	for _, p := range packages(t) {
		if p.room() == "internal/deps" {
			continue
		}
		if _, ok := floorOf(p.room()); !ok {
			t.Errorf("%s stands on no floor: give it a line in floors and in ARCHITECTURE.md", p.room())
			continue
		}
		for _, imp := range p.Imports {
			if to, ok := ours(imp); ok && !mayImport(p.room(), to) {
				t.Errorf("%s imports %s, which its floor forbids", p.room(), to)
			}
		}
	}
}

// TestTestsImportNoHigherFloorThanTheirOwn lets a package's tests use what the
// package may use, and the stored examples of its own inner rooms.
func TestTestsImportNoHigherFloorThanTheirOwn(t *testing.T) {
	for _, p := range packages(t) {
		for _, imp := range p.testsImport() {
			to, ok := ours(imp)
			if !ok || p.ImportPath == imp || mayImport(p.room(), to) {
				continue
			}
			if under(to, []string{p.room()}) {
				continue
			}
			t.Errorf("tests of %s import %s, which its floor forbids", p.room(), to)
		}
	}
}

// TestArchitectureNamesEveryFloor keeps the document and the table together.
func TestArchitectureNamesEveryFloor(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(root(t), "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range floors {
		if !strings.Contains(string(doc), "`"+f.room) {
			t.Errorf("ARCHITECTURE.md does not name `%s`", f.room)
		}
	}
}

// TestTheTableItselfCanFail proves the rule on cases that must be told apart,
// because a layering test that allows everything looks like one that passes.
func TestTheTableItselfCanFail(t *testing.T) {
	for _, c := range []struct {
		from, to string
		may      bool
	}{
		{"segment", "protocol/record", true},
		{"segment", "conflict", false},
		{"conflict", "coordinator", false},
		{"protocol", "protocol/record", false},
		{"protocol/record", "protocol", true},
		{"coordinator/store/storetest", "coordinator/store", true},
		{"coordinator/store", "coordinator/image", false},
		{"coordinator/plan", "coordinator/store", false},
		{"coordinator/plan", "coordinator", false},
		{"coordinator/image", "coordinator/plan", false},
		{"coordinator", "coordinator/plan", true},
		{"client", "broker", false},
		{"broker", "client", false},
		{"broker", "broker/coordination", true},
		{"broker/coordination", "broker", false},
		{"broker/admin", "broker", false},
		{"replica", "coordinator", false},
		{"broker", "broker/partitions", true},
		{"broker/partitions", "broker", false},
		{"broker", "internal/cli", false},
		{"internal/cli/topic", "internal/cli/command", true},
		{"internal/cli/command", "internal/cli/topic", false},
		{"internal/bench", "internal/demo", false},
		{"cmd/lockstep", "broker", false},
		{"elsewhere", "protocol", false},
	} {
		if got := mayImport(c.from, c.to); got != c.may {
			t.Errorf("may %s import %s? got %v, want %v", c.from, c.to, got, c.may)
		}
	}
}
