package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockstep-log/lockstep/internal/cli/command/commandtest"
)

// TestTheReadmeShowsCommandsThatExist parses every line of the README that
// begins with lockstep as the command line would, and runs none.
func TestTheReadmeShowsCommandsThatExist(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var shown int
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(strings.TrimPrefix(line, "$ bin/"), "lockstep ")
		if !ok {
			continue
		}
		shown++
		root := newRoot(commandtest.Quiet())
		root.InitDefaultCompletionCmd()
		cmd, args, err := root.Find(words(rest))
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		cmd.InitDefaultHelpFlag()
		if err := cmd.ParseFlags(args); err != nil {
			t.Errorf("%s: %v", line, err)
		} else if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if shown < 10 {
		t.Errorf("the README shows %d commands; were its examples moved?", shown)
	}
}

// words splits a shell line at spaces outside single quotes, up to a comment
// or a redirection.
func words(line string) []string {
	var all []string
	var word strings.Builder
	var quoted bool
	flush := func() {
		if word.Len() > 0 {
			all = append(all, word.String())
			word.Reset()
		}
	}
	for _, c := range line {
		switch {
		case c == '\'':
			quoted = !quoted
		case quoted:
			word.WriteRune(c)
		case c == '#' || c == '<':
			flush()
			return all
		case c == ' ' || c == '\n':
			flush()
		default:
			word.WriteRune(c)
		}
	}
	flush()
	return all
}
