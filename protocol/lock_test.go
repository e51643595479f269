package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"
)

// TestLockHeaders runs the stories of testdata/lock. A line is a header:
// key=value, key="value in Go's quotes", or a key alone for a null value.
func TestLockHeaders(t *testing.T) {
	datadriven.RunTest(t, "testdata/lock", func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "parse":
			return parseStory(t, d.Input)
		case "encode":
			return encodeStory(t, d.Input)
		}
		return "no such command"
	})
}

func parseStory(t *testing.T, input string) string {
	var q LockRequest
	for line := range strings.Lines(input) {
		key, value := headerLine(t, strings.TrimSuffix(line, "\n"))
		if err := q.Header(key, value); err != nil {
			return storyError(err)
		}
	}
	if err := q.Finish(); err != nil {
		return storyError(err)
	}
	return storyOf(&q)
}

func headerLine(t *testing.T, line string) (key, value []byte) {
	k, v, found := strings.Cut(line, "=")
	if strings.HasPrefix(k, `"`) {
		k = unquoted(t, k)
	}
	if !found {
		return []byte(k), nil
	}
	if strings.HasPrefix(v, `"`) {
		v = unquoted(t, v)
	}
	return []byte(k), append([]byte{}, v...)
}

func unquoted(t *testing.T, s string) string {
	s, err := strconv.Unquote(s)
	noError(t, err)
	return s
}

func storyError(err error) string {
	var m *Malformed
	if !errors.As(err, &m) {
		return "untyped error: " + err.Error()
	}
	return "malformed: " + m.Text + "\n"
}

func storyOf(q *LockRequest) string {
	if q.Empty() {
		return "empty\n"
	}
	var b strings.Builder
	for _, item := range q.Items {
		fmt.Fprintf(&b, "%s %s", strings.TrimPrefix(item.Kind.String(), LockPrefix), item.Raw)
		if string(item.Name) != string(item.Raw) {
			fmt.Fprintf(&b, " = %q", item.Name)
		}
		if item.All {
			b.WriteString(" (the partition)")
		}
		fmt.Fprintf(&b, " basis %s", item.Basis)
		if item.Own {
			b.WriteString(" of its own")
		}
		b.WriteString("\n")
	}
	if q.ID != nil {
		fmt.Fprintf(&b, "id %q\n", q.ID)
	}
	fmt.Fprintf(&b, "highest basis %s\n", q.MaxBasis())
	return b.String()
}

func encodeStory(t *testing.T, input string) string {
	var b strings.Builder
	for line := range strings.Lines(input) {
		name := unquoted(t, strings.TrimSuffix(line, "\n"))
		fmt.Fprintf(&b, "%s\n", AppendLockName(nil, name))
	}
	return b.String()
}

func TestLockRequestRefusesMoreThan1024LocksAcrossItsHeaders(t *testing.T) {
	list := func(n int) []byte { return []byte(strings.TrimSuffix(strings.Repeat("a@1 ", n), " ")) }
	var q LockRequest
	noError(t, q.Header([]byte(HeaderLockWrite), list(1000)))
	noError(t, q.Header([]byte(HeaderLockRead), list(24)))
	noError(t, q.Finish())
	equal(t, 1024, len(q.Items))
	refused(t, q.Header([]byte(HeaderLockAppend), list(1)), "more than 1,024 locks in one record")
}

func TestLockNamesHave1To255DecodedBytes(t *testing.T) {
	parse := func(name string) error {
		var q LockRequest
		return q.Header([]byte(HeaderLockAppend), []byte(name))
	}
	noError(t, parse(strings.Repeat("a", 255)))
	noError(t, parse(strings.Repeat("%41", 255)))
	noError(t, parse(strings.Repeat("é", 127)))
	for _, name := range []string{
		strings.Repeat("a", 256), strings.Repeat("%41", 256), strings.Repeat("é", 128), strings.Repeat("x", 1<<20),
	} {
		refused(t, parse(name), "too long")
	}
	noError(t, CheckLockName(strings.Repeat("\x00", 255)))
	refused(t, CheckLockName(strings.Repeat("a", 256)), "1 to 255 bytes")
	refused(t, CheckLockName(""), "1 to 255 bytes")
	refused(t, CheckLockName("\xff"), "not UTF-8")
}

func TestLockRequestsReuseTheirMemory(t *testing.T) {
	write, basis, id := []byte("acct:7 acct:8@3 a%20b * 50%"), []byte("12"), []byte("req-9")
	keys := [][]byte{[]byte(HeaderLockWrite), []byte(HeaderLockBasis), []byte(HeaderLockID), []byte("trace"), []byte("lox")}
	var q LockRequest
	parse := func() {
		q.Reset()
		for i, value := range [][]byte{write, basis, id, nil, nil} {
			if err := q.Header(keys[i], value); err != nil {
				panic(err)
			}
		}
		if q.Finish() != nil || len(q.Items) != 5 || string(q.Items[2].Name) != "a b" {
			panic("misread")
		}
	}
	parse()
	equal(t, 0, testing.AllocsPerRun(100, parse))
	percent := q.Items[4]
	equal(t, &percent.Raw[0], &percent.Name[0]) // no escape: the header's own bytes
}

// FuzzLockHeaders holds the parser against the grammar as the contract writes it.
func FuzzLockHeaders(f *testing.F) {
	f.Add("acct:7 acct:8@3", "*", "%41 50%", "12", "req-9")
	f.Add("a@none", "", "", "none", "")
	f.Add("%2A  %zz", "a@9223372036854775807", "é%C3%A9", "9223372036854775808", "a b")
	f.Add(" a", "@1", "a@", "-1", "\xff")
	f.Add("%FF", "\u0085", "\x7f", "007", strings.Repeat("x", 65))
	f.Fuzz(func(t *testing.T, write, read, blind, basis, id string) {
		keys := []string{HeaderLockWrite, HeaderLockRead, HeaderLockAppend, HeaderLockBasis, HeaderLockID}
		var q LockRequest
		var err error
		for i, value := range []string{write, read, blind, basis, id} {
			if value != "" && err == nil { // an empty one stands for no header
				err = q.Header([]byte(keys[i]), []byte(value))
			}
		}
		if err == nil {
			err = q.Finish()
		}
		want, ok := referenceRequest(write, read, blind, basis, id)
		if (err == nil) != ok {
			t.Fatalf("parser says %v, grammar says %v", err, ok)
		}
		if err == nil {
			equal(t, want, referenceForm(&q))
			return
		}
		var m *Malformed
		if !errors.As(err, &m) || !utf8.ValidString(m.Text) || strings.ContainsFunc(m.Text, unicode.IsControl) || len(m.Text) > 600 {
			t.Fatalf("unfit text %q", err)
		}
	})
}

// The grammar, written down a second time.
var (
	refEscape = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
	refList   = regexp.MustCompile(`^[^ ]+( +[^ ]+)*$`)
	refItem   = regexp.MustCompile(`^([^ @\p{Cc}]+)(?:@(none|[0-9]{1,19}))?$`)
	refBasis  = regexp.MustCompile(`^(none|[0-9]{1,19})$`)
	refID     = regexp.MustCompile(`^[^ \p{Cc}]+$`)
)

func referenceRequest(write, read, blind, basis, id string) (form string, ok bool) {
	if basis != "" && (!refBasis.MatchString(basis) || refNumber(basis) == "") ||
		id != "" && (!utf8.ValidString(id) || !refID.MatchString(id) || len(id) > 64) {
		return "", false
	}
	for _, list := range []struct{ kind, text string }{{"lock-write", write}, {"lock-read", read}, {"lock-append", blind}} {
		if list.text != "" && (!utf8.ValidString(list.text) || !refList.MatchString(list.text)) {
			return "", false
		}
		for item := range strings.SplitSeq(list.text, " ") {
			m := refItem.FindStringSubmatch(item)
			if item == "" {
				continue // one of several spaces, or no header
			}
			if m == nil {
				return "", false
			}
			name := refEscape.ReplaceAllStringFunc(m[1], func(x string) string {
				n, _ := strconv.ParseUint(x[1:], 16, 8)
				return string([]byte{byte(n)})
			})
			own := m[2]
			if own == "" {
				own = basis
			}
			if own == "" && list.kind == "lock-append" {
				own = "none"
			}
			if own = refNumber(own); own == "" || len(name) > 255 || !utf8.ValidString(name) {
				return "", false
			}
			form += fmt.Sprintf("%s %q %v %s\n", list.kind, name, m[1] == "*", own)
		}
	}
	return form + id, strings.Count(form, "\n") <= 1024
}

// refNumber is a basis in its shortest form, "" if it does not fit.
func refNumber(basis string) string {
	n, err := strconv.ParseInt(basis, 10, 64)
	if err != nil && basis != "none" {
		return ""
	}
	if basis == "none" {
		return basis
	}
	return strconv.FormatInt(n, 10)
}

func referenceForm(q *LockRequest) (form string) {
	for _, item := range q.Items {
		form += fmt.Sprintf("%s %q %v %s\n", item.Kind, item.Name, item.All, item.Basis)
	}
	return form + string(q.ID)
}

func TestEveryNameSurvivesItsEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []byte
		var want []LockItem
		for range rapid.IntRange(1, 8).Draw(t, "locks") {
			item := LockItem{Kind: LockRead, Basis: 5}
			if item.All = rapid.IntRange(0, 9).Draw(t, "whole") == 0; !item.All {
				item.Name = []byte(rapid.StringOfN(oddRunes, 1, 60, LockNameBytesMax).Draw(t, "name"))
			}
			if item.Own = rapid.Bool().Draw(t, "own"); item.Own {
				item.Basis = Offset(rapid.Int64Min(-1).Draw(t, "basis"))
			}
			list = AppendLockItem(list, item)
			want = append(want, item)
		}
		var q LockRequest
		if err := q.Header([]byte(HeaderLockBasis), []byte("5")); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(q.Header([]byte(HeaderLockRead), list), q.Finish()); err != nil {
			t.Fatalf("%q: %v", list, err)
		}
		for i, got := range q.Items {
			w := want[i]
			if got.All != w.All || got.Own != w.Own || got.Basis != w.Basis || !w.All && !bytes.Equal(got.Name, w.Name) {
				t.Fatalf("%q: want %+v, got %+v", list, w, got)
			}
		}
	})
}

// TestAPlainNameIsItsOwnEncoding, and a request takes it.
func TestAPlainNameIsItsOwnEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(
			rapid.StringMatching(`[!-~]{0,260}`),
			rapid.StringOfN(oddRunes, 0, 300, -1),
		).Draw(t, "name")
		if !PlainLockName(name) {
			return
		}
		var q LockRequest
		if err := q.Header([]byte(HeaderLockAppend), []byte(name)); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if got := string(AppendLockName(nil, name)); got != name || len(q.Items) != 1 || q.Items[0].All || string(q.Items[0].Name) != name {
			t.Fatalf("%q is written as %q and read as %+v", name, got, q.Items)
		}
	})
	for name, plain := range map[string]bool{"acct:7": true, "": false, "*": false, "a b": false, "a@b": false, "100%": false, "é": false} {
		if PlainLockName(name) != plain {
			t.Errorf("%q: want plain %v", name, plain)
		}
	}
}

// oddRunes is text with all that an encoder can trip over.
var oddRunes = rapid.OneOf(
	rapid.SampledFrom([]rune("*%% @=:42AaFfGz\x00\x1f\x7f\u0080\u009f\u00a0é→𝄞")),
	rapid.Rune(),
)

func BenchmarkLockHeader(b *testing.B) {
	key, value := []byte(HeaderLockWrite), []byte("acct:1000001 acct:1000002 acct:1000003 acct:1000004 acct:1000005 acct:1000006 acct:1000007 acct:1000008")
	basisKey, basis := []byte(HeaderLockBasis), []byte("123456789")
	var q LockRequest
	b.ReportAllocs()
	for b.Loop() {
		q.Reset()
		if errors.Join(q.Header(key, value), q.Header(basisKey, basis), q.Finish()) != nil {
			b.Fatal("refused")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/8, "ns/lock")
}

// A name that is asked for by itself may hold a space, which no header's item does.
func TestANameWithASpaceIsToldAsThat(t *testing.T) {
	_, err := ParseLockName("acct 7")
	if want := `lock "acct 7" holds a space; write it as %20, or ask for one lock at a time`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}
