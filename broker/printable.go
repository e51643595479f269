package broker

import "strings"

const printableMax = 64

// printable makes a client's text fit for a log line: short, and without
// anything that could forge another line.
func printable(text string) string {
	if len(text) > printableMax {
		text = text[:printableMax] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}
