package house

import (
	"bytes"
	"go/format"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// vagueNames say nothing of what a package is.
var vagueNames = []string{"util", "utils", "common", "types", "helper", "helpers", "manager", "managers", "misc", "shared", "lib"}

// TestEveryPackageSaysWhatItIs wants a package comment, in the form that go
// doc shows.
func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) == 0 {
			if p.room() != "internal/deps" {
				t.Errorf("%s has tests alone; give it a doc.go that says what they prove", p.room())
			}
			continue
		}
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command " + filepath.Base(p.Dir) + " "
		}
		if !strings.HasPrefix(p.Doc, want) {
			t.Errorf("%s: the package comment begins %q, want it to begin %q", p.room(), p.Doc, want)
		}
	}
}

func TestNoPackageHasAVagueName(t *testing.T) {
	for _, p := range packages(t) {
		for _, part := range strings.Split(p.room(), "/") {
			for _, vague := range vagueNames {
				if part == vague {
					t.Errorf("%s: %q says nothing of what is in it", p.room(), part)
				}
			}
		}
	}
}

// TestSourceIsFormatted compares every Go file with what gofmt makes of it.
func TestSourceIsFormatted(t *testing.T) {
	dir := root(t)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		formatted, err := format.Source(src)
		if err != nil {
			t.Errorf("%s: %v", rel, err)
		} else if !bytes.Equal(src, formatted) {
			t.Errorf("%s is not formatted; run gofmt -w %s", rel, rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
