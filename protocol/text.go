package protocol

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ValidText is s with U+FFFD for each byte that is not UTF-8, as Kafka's brokers
// read a name that is not. What comes in goes through it once, at the gateway:
// inside, and in what other clients, metrics and JSON get to see, text is UTF-8.
func ValidText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

// fitting cuts what has grown beyond the longest string of the wire.
func fitting(s string) string {
	if len(s) <= math.MaxInt16 {
		return s
	}
	end := math.MaxInt16
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// Printable is s for a person: what is no text, or would move a terminal's cursor,
// end a line or turn the writing around, stands as \xHH of its bytes. What a client
// chose is shown in no other way, but for a refusal's own text.
func Printable(s string) string {
	if strings.IndexFunc(s, unfit) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for rest := s; rest != ""; {
		r, n := utf8.DecodeRuneInString(rest)
		if r == utf8.RuneError && n == 1 || unfit(r) {
			fmt.Fprintf(&b, "\\x%x", rest[:n])
		} else {
			b.WriteString(rest[:n])
		}
		rest = rest[n:]
	}
	return b.String()
}

const printableShortMax = 64 // characters

// PrintableShort is Printable for a line of a log: a client cannot make the line
// long, nor forge another one.
func PrintableShort(s string) string {
	if runes := []rune(s); len(runes) > printableShortMax {
		s = string(runes[:printableShortMax]) + "…"
	}
	return Printable(s)
}

// unfit are controls, ends of lines, and marks that turn the writing around.
func unfit(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
}

// MendText makes all strings of a decoded request ValidText. It is for those that
// ProveText found to need it.
func MendText(request any) { mendText(reflect.ValueOf(request)) }

func mendText(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(fitting(ValidText(v.String())))
	case reflect.Pointer:
		if !v.IsNil() {
			mendText(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				mendText(v.Field(i))
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return // bytes are nobody's text
		}
		for i := range v.Len() {
			mendText(v.Index(i))
		}
	}
}
