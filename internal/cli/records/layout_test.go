package records

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestTheLastRecordOfAnInputMayLackItsDelimiter(t *testing.T) {
	for _, c := range []struct{ layout, in, want string }{
		{`%v\n`, "a\nb", "a\nb\n"},
		{`%v\n`, "a\nb\n", "a\nb\n"},
		{`%v\n`, "", ""},
		{`%v\n`, "\n", "\n"},
		{`%k\t%v\r\n`, "k\tv\r", "k\tv\r\n"},
		{`%k\t%v\r\n`, "k\tv\n", "k\tv\n\r\n"},
		{`%v\x00`, "a", "a\x00"},
		{`%v;`, "a;b", "a;b;"},
		{`%v{json}\n`, "{}", "{}\n"},
		{`%v{3}`, "abc", "abc"},
		{`%v`, "abc", "abc"},
		{`%v%%`, "abc", "abc"}, // a sign of its own: left to the layout's parser
	} {
		got, err := io.ReadAll(closedBy(delimiterOf(c.layout), iotest.OneByteReader(strings.NewReader(c.in))))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %q became %q, %v; want %q", c.layout, c.in, got, err, c.want)
		}
	}
}
