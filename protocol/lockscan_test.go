package protocol

import (
	"bytes"
	"testing"
)

// FuzzScanLock: whatever ScanLock says is ok, the LockRequest reads the same.
func FuzzScanLock(f *testing.F) {
	for _, list := range []string{
		"a", "acct:7@18", "acct:7@none acct:8@0", "*", "*@12 x", "a  b", "a b ", " a", "a@", "a@nonet", "a@none1", "a@+1", "12345678@123456789012345678",
		"a@1234567890123456789", "a@9223372036854775808", "%41", "a%2", "größe", "a\x7fb", "a\tb", "12345678 1234567@12345678", "@1", "a@1@2", "1234567\x808",
		string(bytes.Repeat([]byte("n"), LockNameBytesMax)), string(bytes.Repeat([]byte("n"), LockNameBytesMax+1)),
	} {
		f.Add([]byte(list))
	}
	f.Fuzz(func(t *testing.T, list []byte) {
		if bytes.HasPrefix(list, []byte(" ")) || bytes.HasSuffix(list, []byte(" ")) {
			return // the list's business, not the items'
		}
		var q LockRequest
		err := q.Header([]byte(HeaderLockWrite), list)
		items := q.Items
		for at := 0; at < len(list); {
			name, end, basis, ok := ScanLock(list, at)
			if !ok {
				return // odd: the LockRequest's business
			}
			if len(items) == 0 {
				t.Fatalf("%q: ScanLock reads %q, and LockRequest no more locks: %v", list, list[at:end], err)
			}
			item := items[0]
			items = items[1:]
			if string(item.Raw) != string(list[at:name]) || string(item.Name) != string(item.Raw) || item.Own != (name < end) || item.Own && item.Basis != basis {
				t.Fatalf("%q: ScanLock reads %q with %q and basis %v; LockRequest %+v", list, list[at:end], list[at:name], basis, item)
			}
			for at = end; at < len(list) && list[at] == ' '; at++ {
			}
		}
		if len(items) > 0 {
			t.Fatalf("%q: ScanLock ends before %q", list, items[0].Raw)
		}
	})
}

// FuzzScanBasis is the same for lock-basis.
func FuzzScanBasis(f *testing.F) {
	for _, value := range []string{"0", "none", "none ", "nonet", "007", "123456789012345678", "1234567890123456789", "-1", "1 ", ""} {
		f.Add([]byte(value))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		basis, ok := ScanBasis(value)
		if !ok {
			return
		}
		if want, err := parseBasis(value); err != nil || basis != want {
			t.Fatalf("%q: ScanBasis reads %v, parseBasis %v, %v", value, basis, want, err)
		}
	})
}

// TestOddBytesAreFoundWhereTheyAre: each byte, at each place of a word, behind
// plain ones and before every other kind.
func TestOddBytesAreFoundWhereTheyAre(t *testing.T) {
	for c := range 256 {
		for place := range wordBytes {
			for _, behind := range []byte{'a', ' ', '@', '%', 0x7f, 0x80, 0, 0xff} {
				text := bytes.Repeat([]byte{'~'}, place)
				text = append(text, byte(c))
				for len(text) < 2*wordBytes {
					text = append(text, behind)
				}
				want := 0
				for want < len(text) && classOf[text[want]] == 0 {
					want++
				}
				if got := plainEnd(text, 0); got != want {
					t.Fatalf("plainEnd of %q is %d, want %d", text, got, want)
				}
			}
		}
	}
}
