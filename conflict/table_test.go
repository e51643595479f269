package conflict

import (
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

// TestTableIsAMap holds the table against a Go map through every stage of its
// growth, with hashes so alike that splits go deep and probes run long.
func TestTableIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var table table
		b := NewBudget(0)
		want := map[hash]uint64{}
		n := rapid.IntRange(0, 5000).Draw(t, "entries")
		alike := rapid.SampledFrom([]uint64{0xffffffffffffffff, 0xff00000000000000, 0xf0000000000000ff}).Draw(t, "bits of hi")
		near := rapid.SampledFrom([]uint64{0xffffffffffffffff, 0xf}).Draw(t, "bits of lo")
		x := rapid.Uint64().Draw(t, "seed")
		for i := range n {
			x = x*6364136223846793005 + 1442695040888963407
			h := hash{x * 0x9e3779b97f4a7c15 & alike, uint64(i) & near << 3}
			if near != 0xf {
				h.lo = x >> 7 & near
			}
			value := uint64(i) + 1
			want[h] = value
			table.put(h, b).value = value
			if len(want) != table.n {
				t.Fatalf("after %d puts the table has %d entries, want %d", i+1, table.n, len(want))
			}
			if len(want) > 700 && alike != 0xffffffffffffffff {
				break // more would not differ in enough bits of hi
			}
		}
		seen := 0
		table.each(func(uint64) { seen++ })
		if seen != len(want) {
			t.Fatalf("each saw %d entries, want %d", seen, len(want))
		}
		for h, value := range want {
			if got := table.get(h); got != value {
				t.Fatalf("get(%x) = %d, want %d", h, got, value)
			}
			if got := table.get(hash{h.hi, ^h.lo}); got != want[hash{h.hi, ^h.lo}] {
				t.Fatalf("get of a hash that was not put is %d", got)
			}
		}
		if used := b.Used(); used != table.bytes() {
			t.Fatalf("the budget counts %d bytes, the table %d", used, table.bytes())
		}
		if table.release(b); b.Used() != 0 {
			t.Fatalf("%d bytes of the budget are left", b.Used())
		}
	})
}

// TestNamesAndIDsStayWhereTheyAre fills arena and list over several chunks.
func TestNamesAndIDsStayWhereTheyAre(t *testing.T) {
	var names arena
	var ids idList
	b := NewBudget(0)
	const n = 60_000
	refs := make([]ref, n)
	name := func(i int) []byte { return binary.AppendUvarint(make([]byte, i%40), uint64(i)) }
	for i := range refs {
		refs[i] = names.add(name(i), b)
		if place := ids.add(idMark{first: uint32(3 * i), count: 2, id: refs[i]}, b); place != i {
			t.Fatalf("id %d went to place %d", i, place)
		}
	}
	for i, r := range refs {
		if string(names.at(r)) != string(name(i)) {
			t.Fatalf("name %d is %q", i, names.at(r))
		}
		for delta, want := range []*idMark{ids.at(i), ids.at(i), nil} {
			if got := ids.writerOf(uint32(3*i + delta)); got != want {
				t.Fatalf("writer of %d is %v, want %v", 3*i+delta, got, want)
			}
		}
	}
	if used := b.Used(); used != names.bytes()+ids.bytes() {
		t.Fatalf("the budget counts %d bytes, want %d", used, names.bytes()+ids.bytes())
	}
	names.release(b)
	if ids.release(b); b.Used() != 0 {
		t.Fatalf("%d bytes of the budget are left", b.Used())
	}
}
