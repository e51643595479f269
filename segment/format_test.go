package segment

import (
	"encoding/hex"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/lockstep-log/lockstep/protocol"
)

// The goal: no byte of a format changes unawares. Method: a golden file holds
// the bytes of one of each; what decodes them gives back what was encoded.
func TestFormatsAreWhatIsDrawn(t *testing.T) {
	datadriven.RunTest(t, "testdata/formats", func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "manifest":
			return hex.Dump(someManifest().encode())
		case "index":
			return hex.Dump(encodeChunk(42, 3, []entry{{offset: 50, pos: 4096, maxTime: 1000}, {offset: 60, pos: 8200, maxTime: -1}})[:96])
		case "checkpoint":
			return hex.Dump(encodeCheckpoint(42, []byte("state of a fold")))
		case "names":
			return logName(at(42)) + "\n" + indexName(at(42)) + "\n" + logName(&segment{base: 42, edition: 3}) + "\n" +
				checkpointName("producers", 42) + "\n"
		default:
			t.Fatalf("what is %q?", d.Cmd)
			return ""
		}
	})
}

func someManifest() *manifest {
	sealed, active := newExtent(40), newExtent(100)
	sealed.next, sealed.size, sealed.maxTime, sealed.maxTimeBase, sealed.entries = 100, 65536, 1_700_000_000_000, 77, 15
	sealed.edition, sealed.writtenMs, sealed.sparse = 3, 1_700_000_000_500, true
	active.next, active.size = 103, 300
	return &manifest{
		clean: true, start: 42, compacted: 90, segments: []extent{sealed, active},
		epochs: epochs{{0, 42}, {7, 101}},
	}
}

func TestManifestSurvivesItsEncoding(t *testing.T) {
	want := someManifest()
	got, err := decodeManifest(want.encode())
	must(t, err)
	if string(got.encode()) != string(want.encode()) {
		t.Fatalf("%+v became %+v", want, got)
	}
}

// The goal: a log of the first version, which knew nothing of compaction, is
// opened still. Method: the bytes of such a manifest.
func TestManifestOfTheFirstVersionIsRead(t *testing.T) {
	old, err := hex.DecodeString("4c4b534d00010001000000000000002a00000002000000020000000000000028" +
		"000000000000006400000000000100000000018bcfe56800000000000000004d" +
		"000000000000000f00000000000000640000000000000067000000000000012c" +
		"ffffffffffffffff000000000000006400000000000000000000000000000000" +
		"0000002a0000000700000000000000656b3f6182")
	must(t, err)
	m, err := decodeManifest(old)
	must(t, err)
	x := m.segments[0]
	if !m.clean || m.start != 42 || m.compacted != 0 || x.base != 40 || x.entries != 15 || x.edition != 0 || x.writtenMs != -1 || x.sparse {
		t.Fatalf("%+v with %+v", m, x)
	}
	if m.epochs.at(101) != 7 {
		t.Fatalf("epochs are %v", m.epochs)
	}
}

func TestManifestThatMakesNoSenseIsRefused(t *testing.T) {
	for what, change := range map[string]func(*manifest){
		"no segments":           func(m *manifest) { m.segments = nil },
		"overlapping segments":  func(m *manifest) { m.segments[0].next = 101 },
		"segments out of order": func(m *manifest) { m.segments[0], m.segments[1] = m.segments[1], m.segments[0] },
		"negative size":         func(m *manifest) { m.segments[0].size = -1 },
		"start behind the end":  func(m *manifest) { m.start = 104 },
		"compacted too far":     func(m *manifest) { m.compacted = 104 },
		"epochs that fall":      func(m *manifest) { m.epochs[0].epoch = 8 },
	} {
		m := someManifest()
		change(m)
		if _, err := decodeManifest(m.encode()); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}

func TestNamesAreReadBack(t *testing.T) {
	if o, edition, ok := parseName(logName(at(42)), logSuffix); !ok || o != 42 || edition != 0 {
		t.Errorf("%d, %v", o, ok)
	}
	name, at, ok := parseCheckpointName(checkpointName("two-words", 42))
	if !ok || name != "two-words" || at != protocol.Offset(42) {
		t.Errorf("%q, %d, %v", name, at, ok)
	}
	if o, edition, ok := parseName(indexName(&segment{base: 42, edition: 12}), indexSuffix); !ok || o != 42 || edition != 12 {
		t.Errorf("%d, edition %d, %v", o, edition, ok)
	}
	for _, file := range []string{"", ".log", "00000000000000000042..log", "00000000000000000042.0.log", "00000000000000000042.x.log", "00000000000000000042-1.log", "1.log", "0000000000000000000x.log", "99999999999999999999.log", "-00000000000000000001.checkpoint", "manifest"} {
		if _, _, ok := parseName(file, logSuffix); ok {
			t.Errorf("%q was taken for a segment", file)
		}
		if _, _, ok := parseCheckpointName(file); ok {
			t.Errorf("%q was taken for a checkpoint", file)
		}
	}
}
