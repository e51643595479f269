package house

import (
	"slices"
	"strings"
	"testing"
)

// filesMax is how many files a package has at most, tests aside: as many as one
// can look through for the right one.
const filesMax = 40

// unbounded are packages with one file for each of many things.
var unbounded = []string{"broker"} // an API each

// TestNoPackageHasTooManyFiles wants a package that has grown beyond the bound
// to be split into rooms.
func TestNoPackageHasTooManyFiles(t *testing.T) {
	for _, p := range packages(t) {
		if n := len(p.GoFiles); n > filesMax && !slices.Contains(unbounded, p.room()) {
			t.Errorf("%s has %d files, more than %d", p.room(), n, filesMax)
		}
	}
}

// TestFloorsStandOnFloorsBelowThem wants the table of floors in order: what a
// room may import stands above it in the table, so that no two rooms can import
// each other, be it through a third one.
func TestFloorsStandOnFloorsBelowThem(t *testing.T) {
	for _, f := range misplaced(floors) {
		t.Errorf("%s", f)
	}
}

// misplaced says what is wrong with a table of floors.
func misplaced(table []floor) (wrong []string) {
	var below []string
	for _, f := range table {
		for _, to := range f.may {
			if !slices.Contains(below, to) {
				wrong = append(wrong, f.room+" may import "+to+", which is no room below it")
			}
		}
		if slices.Contains(below, f.room) {
			wrong = append(wrong, f.room+" stands there twice")
		}
		below = append(below, f.room)
	}
	return wrong
}

// TestARoundOfFloorsIsSeen proves the rule on tables that must be told apart.
func TestARoundOfFloorsIsSeen(t *testing.T) {
	sound := []floor{{"a", nil}, {"b", []string{"a"}}, {"c", []string{"a", "b"}}}
	round := []floor{{"a", []string{"c"}}, {"b", []string{"a"}}, {"c", []string{"b"}}}
	twice := []floor{{"a", nil}, {"a", nil}}
	if wrong := misplaced(sound); len(wrong) > 0 {
		t.Errorf("a sound table: %s", wrong)
	}
	for _, table := range [][]floor{round, twice} {
		if len(misplaced(table)) != 1 {
			t.Errorf("%v is wrong in one place, not in %q", table, misplaced(table))
		}
	}
}

// openRooms are the rooms of the broker that others than the broker may enter:
// what a broker keeps on its disk is read, and repaired, from the command line, and
// what its settings of security say is parsed there.
var openRooms = []string{"broker/partitions", "broker/security"}

// TestTheBrokersRoomsAreEnteredThroughTheBroker: whoever runs a broker imports
// package broker, and not what it is made of.
func TestTheBrokersRoomsAreEnteredThroughTheBroker(t *testing.T) {
	for _, p := range packages(t) {
		if under(p.room(), []string{"broker"}) {
			continue
		}
		for _, imp := range slices.Concat(p.Imports, p.testsImport()) {
			if to, ok := ours(imp); ok && strings.HasPrefix(to, "broker/") && !under(to, openRooms) {
				t.Errorf("%s imports %s", p.room(), to)
			}
		}
	}
}
