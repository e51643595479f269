package settings

import "fmt"

// Error refuses a setting. Its text names the setting and the value.
type Error struct {
	Name   string
	Value  string
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("invalid value %q for %s: %s", e.Value, e.Name, e.Reason)
}

// UnknownError refuses a name that is no setting.
type UnknownError struct {
	Name       string
	Suggestion string // "" = nothing is near
}

func (e *UnknownError) Error() string {
	if e.Suggestion == "" {
		return fmt.Sprintf("unknown setting %q", e.Name)
	}
	return fmt.Sprintf("unknown setting %q; did you mean %s?", e.Name, e.Suggestion)
}

func unknown(table []Definition, name string) error {
	return &UnknownError{Name: name, Suggestion: nearest(table, name)}
}

// maxTypos is the edit distance up to which a name counts as a misspelling.
const maxTypos = 3

func nearest(table []Definition, name string) string {
	best, bestDistance := "", maxTypos+1
	for _, d := range table {
		// Lengths further apart than the bound cannot be near, whatever the
		// client sent; this also bounds the work.
		if abs(len(d.Name)-len(name)) > maxTypos {
			continue
		}
		if n := distance(d.Name, name); n < bestDistance {
			best, bestDistance = d.Name, n
		}
	}
	return best
}

// distance is the edit distance of two names, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

func abs(n int) int { return max(n, -n) }
