package house

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestEveryDependencyIsArguedFor wants a line in docs/dependencies.md for each
// module that our code imports, also where go.mod still calls it indirect.
func TestEveryDependencyIsArguedFor(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(root(t), "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range usedModules(t, requiredModules(t)) {
		if !strings.Contains(string(doc), "`"+m+"`") {
			t.Errorf("docs/dependencies.md does not name `%s`", m)
		}
	}
}

// TestNoDocumentedDependencyIsGone wants the first column of the document to
// name only what go.mod requires.
func TestNoDocumentedDependencyIsGone(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(root(t), "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	required := requiredModules(t)
	for line := range strings.Lines(string(doc)) {
		rest, isRow := strings.CutPrefix(line, "| `")
		name, _, closed := strings.Cut(rest, "`")
		if isRow && closed && !slices.Contains(required, name) {
			t.Errorf("docs/dependencies.md names %s, which go.mod does not require", name)
		}
	}
}

// modules are the folders of the modules in go.work.
var modules = []string{".", "client", "protocol", "test"}

// requiredModules are those of others that the go.mod of any module of ours names.
func requiredModules(t *testing.T) []string {
	t.Helper()
	var required []string
	for _, dir := range modules {
		for _, m := range requiredBy(t, dir) {
			if !strings.HasPrefix(m, module) && !slices.Contains(required, m) {
				required = append(required, m)
			}
		}
	}
	return required
}

// requiredBy are the modules that one go.mod names.
func requiredBy(t *testing.T, dir string) []string {
	t.Helper()
	cmd := exec.Command("go", "mod", "edit", "-json")
	cmd.Dir = filepath.Join(root(t), dir)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Require []struct{ Path string }
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	var required []string
	for _, r := range mod.Require {
		required = append(required, r.Path)
	}
	return required
}

// TestWhoImportsTheClientInheritsLittle wants of the modules that programs of
// users import only what stands here.
func TestWhoImportsTheClientInheritsLittle(t *testing.T) {
	allowed := []string{
		module + "/protocol", "github.com/twmb/franz-go", "github.com/twmb/franz-go/pkg/kmsg",
		"github.com/klauspost/compress", "github.com/pierrec/lz4/v4",
		"pgregory.net/rapid", "github.com/cockroachdb/datadriven", "github.com/pmezard/go-difflib", // small, and in tests alone
	}
	for _, dir := range []string{"client", "protocol"} {
		for _, m := range requiredBy(t, dir) {
			if !slices.Contains(allowed, m) {
				t.Errorf("%s/go.mod requires %s", dir, m)
			}
		}
	}
}

// usedModules are those of required that a package of ours or its tests import.
func usedModules(t *testing.T, required []string) []string {
	t.Helper()
	used := map[string]bool{}
	for _, p := range packages(t) {
		if p.room() == "internal/deps" {
			continue
		}
		for _, imp := range slices.Concat(p.Imports, p.testsImport()) {
			if m := moduleOf(imp, required); m != "" {
				used[m] = true
			}
		}
	}
	var names []string
	for m := range used {
		names = append(names, m)
	}
	slices.Sort(names)
	return names
}

// moduleOf finds the module with the longest path that holds an import.
func moduleOf(imp string, modules []string) string {
	var best string
	for _, m := range modules {
		if (imp == m || strings.HasPrefix(imp, m+"/")) && len(m) > len(best) {
			best = m
		}
	}
	return best
}
