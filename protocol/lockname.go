package protocol

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// What a byte of a raw name calls for. The classes of a name's bytes are or-ed
// together, so that a plain name, nearly every one, costs one short loop.
const (
	classControl = 1 << iota // C0, DEL and the space: never raw
	classAt                  // never raw in a name; welcome in an id
	classPercent             // may begin %XX
	classHigh                // UTF-8 beyond ASCII: to be checked
)

var classOf = func() (t [256]uint8) {
	for c := range t {
		switch {
		case c <= ' ', c == 0x7f:
			t[c] = classControl
		case c == '@':
			t[c] = classAt
		case c == '%':
			t[c] = classPercent
		case c >= utf8.RuneSelf:
			t[c] = classHigh
		}
	}
	return t
}()

func classes[T []byte | string](raw T) (seen uint8) {
	for i := 0; i < len(raw); i++ {
		seen |= classOf[raw[i]]
	}
	return seen
}

// PlainLockName reports whether a header holds a lock's name as it is: printable
// ASCII that needs no escape, and not the "*" alone. Of such a name nothing else
// is to be checked.
func PlainLockName(name string) bool {
	return name != "" && len(name) <= LockNameBytesMax && classes(name) == 0 && name != "*"
}

// name checks a raw name, which item has cut at spaces and at "@", and decodes
// it. The answer is raw itself unless raw holds an escape.
func (q *LockRequest) name(raw []byte) ([]byte, error) {
	if len(raw) == 0 {
		return nil, malformed("a lock has no name")
	}
	seen := uint8(0)
	if len(raw) <= len("%XX")*LockNameBytesMax { // no longer one can pass
		seen = classes(raw)
	}
	if seen != 0 {
		return q.oddName(raw, seen)
	}
	if len(raw) > LockNameBytesMax {
		return nil, longName(raw)
	}
	return raw, nil
}

// oddName is name for a raw name that is not plain ASCII throughout.
func (q *LockRequest) oddName(raw []byte, seen uint8) ([]byte, error) {
	switch {
	case seen&classHigh != 0 && !utf8.Valid(raw):
		return nil, malformed("lock %s is not UTF-8", quote(raw))
	case seen&classControl != 0 && bytes.IndexByte(raw, ' ') >= 0: // asked by name: in a list it stands between two locks
		return nil, malformed("lock %s holds a space; write it as %%20, or ask for one lock at a time", quote(raw))
	case seen&classControl != 0, seen&classHigh != 0 && hasC1(raw):
		return nil, malformed("lock %s holds a control character; write it as %%XX", quote(raw))
	}
	name := raw
	if seen&classPercent != 0 {
		name = q.unescape(raw)
	}
	switch {
	case len(name) > LockNameBytesMax:
		return nil, longName(raw)
	case !utf8.Valid(name):
		return nil, malformed("lock %s is not UTF-8 once its %%XX are read", quote(raw))
	}
	return name, nil
}

func longName(raw []byte) error {
	return malformed("lock %s is too long; a name has 1 to 255 bytes", quote(raw))
}

// unescape reads %XX. A "%" that two hex digits do not follow stands for itself.
func (q *LockRequest) unescape(raw []byte) []byte {
	start := len(q.scratch)
	for i := 0; i < len(raw); i++ {
		if c, ok := escapeAt(raw, i); ok {
			q.scratch = append(q.scratch, c)
			i += 2
			continue
		}
		q.scratch = append(q.scratch, raw[i])
	}
	name := q.scratch[start:len(q.scratch):len(q.scratch)]
	if len(name) == len(raw) { // there was no escape after all
		q.scratch = q.scratch[:start]
		return raw
	}
	return name
}

// escapeAt reads the %XX that begins at s[i], if one does.
func escapeAt[T []byte | string](s T, i int) (byte, bool) {
	if s[i] != '%' || i+2 >= len(s) {
		return 0, false
	}
	high, ok1 := unhex(s[i+1])
	low, ok2 := unhex(s[i+2])
	return high<<4 | low, ok1 && ok2
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// hasC1 finds a C1 control (U+0080 to U+009F) in valid UTF-8. Terminals obey some of them.
func hasC1(s []byte) bool {
	for i := 0; i+1 < len(s); i++ {
		if isC1(s[i], s[i+1]) {
			return true
		}
	}
	return false
}

func isC1(c, next byte) bool { return c == 0xc2 && next >= 0x80 && next <= 0x9f }

// AppendLockName appends a lock's name as a header holds it: space, control
// characters and "@" as %XX, a "%" too where it would be read as an escape,
// and a name that is a lone "*".
func AppendLockName(dst []byte, name string) []byte {
	if name == "*" {
		return append(dst, "%2A"...)
	}
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case classOf[c]&(classControl|classAt) != 0:
			dst = appendEscape(dst, c)
		case c == '%':
			if _, ok := escapeAt(name, i); ok {
				dst = appendEscape(dst, c)
			} else {
				dst = append(dst, c)
			}
		case i+1 < len(name) && isC1(c, name[i+1]):
			dst = appendEscape(appendEscape(dst, c), name[i+1])
			i++
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func appendEscape(dst []byte, c byte) []byte {
	const digits = "0123456789ABCDEF"
	return append(dst, '%', digits[c>>4], digits[c&15])
}

// AppendLockItem appends an item to a lock list, after a space unless the
// list is empty. Of the item it reads All, Name, and Basis when Own is set.
func AppendLockItem(list []byte, item LockItem) []byte {
	if len(list) > 0 {
		list = append(list, ' ')
	}
	if item.All {
		list = append(list, '*')
	} else {
		list = AppendLockName(list, string(item.Name))
	}
	if item.Own {
		list = append(append(list, '@'), item.Basis.String()...)
	}
	return list
}

// CheckLockName reports why no header can carry a lock of this (decoded)
// name, as a *Malformed.
func CheckLockName(name string) error {
	switch {
	case name == "" || len(name) > LockNameBytesMax:
		return malformed("a lock's name has 1 to 255 bytes, not %s", strconv.Itoa(len(name)))
	case !utf8.ValidString(name):
		return malformed("lock %s is not UTF-8", quote([]byte(name)))
	}
	return nil
}

// checkID reports why id cannot be a lock-id, as a *Malformed.
func checkID(id []byte) error {
	switch {
	case len(id) == 0 || len(id) > LockIDBytesMax:
		return malformed("lock-id %s has %d bytes; it may have 1 to 64", quote(id), len(id))
	case !utf8.Valid(id):
		return malformed("lock-id %s is not UTF-8", quote(id))
	case classes(id)&classControl != 0 || hasC1(id):
		return malformed("lock-id %s holds a space or a control character", quote(id))
	}
	return nil
}

// ParseLockName reads one lock's name as a header has it, without a basis. Its
// error is a *Malformed.
func ParseLockName(raw string) (LockItem, error) {
	item := LockItem{Raw: []byte(raw), All: raw == "*", Basis: None}
	var q LockRequest
	name, err := q.name(item.Raw)
	item.Name = name
	return item, err
}
