package producer

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockstep-log/lockstep/test/e2e"
)

// TestTheDocumentsShowWhatTheCommandsPrint runs each page's console, line by
// line, against a broker of its own.
func TestTheDocumentsShowWhatTheCommandsPrint(t *testing.T) {
	for _, page := range []string{"locks.md", "recipes.md"} {
		t.Run(page, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
			if err != nil {
				t.Fatal(err)
			}
			b := e2e.Start(t)
			shown := steps(string(text))
			if len(shown) < 5 {
				t.Errorf("%d commands; were they moved?", len(shown))
			}
			for _, s := range shown {
				cmd := exec.Command("bash", "-c", s.command)
				cmd.Env = append(os.Environ(), "LOCKSTEP_BROKERS="+b.Addr, "LOCKSTEP_HTTP="+b.HTTP,
					"PATH="+filepath.Dir(e2e.Binary(t))+":"+os.Getenv("PATH"))
				out, _ := cmd.CombinedOutput()
				if string(out) != s.output {
					t.Errorf("$ %s\n%swant\n%s", s.command, out, s.output)
				}
			}
		})
	}
}

// step is a command of a page, and what the page says that it prints.
type step struct{ command, output string }

func steps(text string) (all []step) {
	console := false
	for line := range strings.Lines(text) {
		command, ok := strings.CutPrefix(line, "$ ")
		switch {
		case strings.HasPrefix(line, "```"):
			console = line == "```console\n"
		case console && ok:
			all = append(all, step{command: strings.TrimSuffix(command, "\n")})
		case console && len(all) > 0:
			all[len(all)-1].output += line
		}
	}
	return all
}
