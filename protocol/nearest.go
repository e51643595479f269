package protocol

import "iter"

// Nearest is the known word that a misspelt one most likely stands for, at an
// edit distance of typosMax at most, or "". Words of lengths that are too far
// apart are not compared, which bounds the work whatever a client sent.
func Nearest(word string, known iter.Seq[string], typosMax int) string {
	near, best := "", typosMax+1
	for k := range known {
		if len(word) > len(k)+typosMax || len(word) < len(k)-typosMax {
			continue
		}
		if d := editDistance(word, k); d < best {
			near, best = k, d
		}
	}
	return near
}

// editDistance is Levenshtein's: insertions, deletions and replacements.
// Both texts are short: Nearest has looked.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
