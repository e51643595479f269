package protocol

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestTextIsReadAsKafkaReadsIt(t *testing.T) {
	for in, want := range map[string]string{
		"":             "",
		"café":         "café",
		"caf\xe9":      "caf\ufffd",
		"\xff\xfe":     "\ufffd\ufffd",
		"a\x00\n\x1b[": "a\x00\n\x1b[", // is text, if not for a terminal
	} {
		equal(t, want, ValidText(in))
	}
}

func TestOnlyWhatIsFitForATerminalIsPrintedAsItIs(t *testing.T) {
	for in, want := range map[string]string{
		"café 👩‍👩‍👧 \\x41":  "café 👩‍👩‍👧 \\x41",
		"caf\xe9":           `caf\xe9`,
		"\x1b[2J\r\n\tx":    `\x1b[2J\x0d\x0a\x09x`,
		"\x7f\u0085\u2028x": `\x7f\xc285\xe280a8x`,
		"abc\u202edef":      `abc\xe280aedef`,
	} {
		equal(t, want, Printable(in))
	}
}

func TestALongTextIsCutForALineOfALog(t *testing.T) {
	equal(t, "short", PrintableShort("short"))
	equal(t, `a\x0ab`, PrintableShort("a\nb"))
	equal(t, strings.Repeat("é", 64)+"…", PrintableShort(strings.Repeat("é", 65)))
}

// Goal: whatever strings a request holds, MendText leaves UTF-8 that still fits on
// the wire, and touches no bytes; and ProveWithin says when it is needed.
func TestEveryStringOfARequestIsMended(t *testing.T) {
	for _, api := range APIs() {
		req := randomRequest(rand.New(rand.NewPCG(1, uint64(api.Key))), api.Key, api.Max)
		spoil(reflect.ValueOf(req))
		body := req.AppendTo(nil)
		proven, err := ProveWithin(DecodeBytesMax, api.Key, api.Max, body)
		if err != nil {
			t.Fatalf("%s: %v", api.Name, err)
		}
		got := kmsg.RequestForKey(api.Key)
		got.SetVersion(api.Max)
		if err := got.ReadFrom(body); err != nil {
			t.Fatalf("%s: %v", api.Name, err)
		}
		equal(t, proven.ValidText, allStrings(reflect.ValueOf(got), utf8.ValidString))
		MendText(got)
		equal(t, true, allStrings(reflect.ValueOf(got), func(s string) bool { return utf8.ValidString(s) && len(s) <= 32767 }))
		if proven, err := ProveWithin(DecodeBytesMax, api.Key, api.Max, got.AppendTo(nil)); !proven.ValidText || err != nil {
			t.Errorf("%s: mended, and %+v: %v", api.Name, proven, err)
		}
	}
	long := kmsg.NewPtrDescribeGroupsRequest()
	long.Groups = []string{strings.Repeat("\xe9", 30_000)}
	MendText(long)
	equal(t, 32766, len(long.Groups[0]))
}

// spoil ends every string with a byte that is not UTF-8.
func spoil(v reflect.Value) {
	eachString(v, func(s reflect.Value) { s.SetString(s.String() + "\xe9") })
}

func allStrings(v reflect.Value, good func(string) bool) bool {
	all := true
	eachString(v, func(s reflect.Value) { all = all && good(s.String()) })
	return all
}

func eachString(v reflect.Value, f func(reflect.Value)) {
	switch v.Kind() {
	case reflect.String:
		f(v)
	case reflect.Pointer:
		if !v.IsNil() {
			eachString(v.Elem(), f)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				eachString(v.Field(i), f)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			eachString(v.Index(i), f)
		}
	}
}
