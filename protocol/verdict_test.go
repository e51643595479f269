package protocol

import (
	"reflect"
	"testing"
)

func TestVerdictsSurviveTheWire(t *testing.T) {
	for _, verdicts := range [][]Verdict{
		{},
		{{First: 0, Records: 1, Refusal: "MALFORMED record=0: no", At: None}},
		{{First: 1, Records: 3, At: 1 << 40}, {First: 9, Records: 1, Refusal: "CONFLICT …", At: None}},
	} {
		got, err := ReadVerdicts(AppendVerdicts(nil, verdicts), 10)
		if err != nil || !reflect.DeepEqual(got, verdicts) {
			t.Errorf("wrote %+v, read %+v, %v", verdicts, got, err)
		}
	}
}

func TestVerdictsThatCannotBeAreRefused(t *testing.T) {
	for what, value := range map[string][]byte{
		"nothing":              {},
		"another version":      {2, 0},
		"no count":             {1},
		"a count that lies":    {1, 200, 1},
		"bytes left over":      {1, 0, 0},
		"an unknown outcome":   {1, 1, 0, 1, 3, 0},
		"an empty text":        {1, 1, 0, 1, 1, 0},
		"a text that is cut":   {1, 1, 0, 1, 1, 9, 'x'},
		"no record":            {1, 1, 0, 0, 2, 7},
		"records beyond batch": {1, 1, 3, 2, 2, 7},
		"records shared": AppendVerdicts(nil, []Verdict{
			{First: 0, Records: 2, At: 1}, {First: 1, Records: 1, At: 2}}),
	} {
		if v, err := ReadVerdicts(value, 4); err == nil {
			t.Errorf("%s: read %+v", what, v)
		}
	}
}

func TestVerdictsAreAskedForInAKnownVersion(t *testing.T) {
	if err := VerdictsAsked([]byte{VerdictsVersion}); err != nil {
		t.Error(err)
	}
	for _, value := range [][]byte{nil, {}, {0}, {2}, {1, 1}} {
		if VerdictsAsked(value) == nil {
			t.Errorf("% x is taken for a version", value)
		}
	}
}

// FuzzVerdicts: what decodes encodes to a value that decodes to the same.
func FuzzVerdicts(f *testing.F) {
	f.Add(AppendVerdicts(nil, nil), int32(0))
	f.Add(AppendVerdicts(nil, []Verdict{{First: 1, Records: 2, Refusal: "CONFLICT x"}, {First: 4, Records: 1, At: 7}}), int32(9))
	f.Add([]byte{1, 255, 255, 255, 255, 15}, int32(1<<31-1))
	f.Fuzz(func(t *testing.T, value []byte, records int32) {
		verdicts, err := ReadVerdicts(value, records)
		if err != nil {
			return
		}
		again, err := ReadVerdicts(AppendVerdicts(nil, verdicts), records)
		if err != nil || !reflect.DeepEqual(again, verdicts) {
			t.Errorf("read %+v, again %+v, %v", verdicts, again, err)
		}
	})
}
