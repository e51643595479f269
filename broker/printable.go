package broker

import "github.com/lockstep-log/lockstep/protocol"

const printableMax = 64

// printable makes a client's text fit for a log line: short, and without
// anything that could forge another line.
func printable(text string) string {
	if runes := []rune(text); len(runes) > printableMax {
		text = string(runes[:printableMax]) + "…"
	}
	return protocol.Printable(text)
}
