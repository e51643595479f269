// Command figures measures the source of a checkout, for the tables of a change
// that re-shapes it: files and lines by package, methods of one type, functions
// with many branches, comments inside bodies, names that cannot be searched for,
// long lines. It knows only what stands in the files; nothing is built.
//
//	go run ./test/figures -dir path/to/checkout
//
// Two checkouts, before and after, are measured by the same program.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	branchesMax = 15  // of a function
	columnsMax  = 120 // of a line
)

// vague are names of methods that stand for too many different deeds.
var vague = []string{"take", "run", "release", "add"}

func main() {
	dir := flag.String("dir", ".", "the checkout")
	flag.Parse()
	m, err := measure(*dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
	m.print()
}

// pkg is the product code of one folder; tests are counted apart.
type pkg struct{ files, lines, testFiles, testLines int }

// measures are those of a checkout.
type measures struct {
	packages      map[string]*pkg
	methods       map[string]int // by package and receiver
	vague         map[string]int // types with a method of that name
	branchy       []string
	lines, inside int // of bodies; lines of comments in them
	long          int // lines
}

func measure(dir string) (*measures, error) {
	m := &measures{packages: map[string]*pkg{}, methods: map[string]int{}, vague: map[string]int{}}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != dir && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "bin") {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return m.file(path, filepath.ToSlash(rel))
	})
	slices.Sort(m.branchy)
	return m, err
}

func (m *measures) file(path, rel string) error {
	src, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	room := filepath.Dir(rel)
	p := m.packages[room]
	if p == nil {
		p = &pkg{}
		m.packages[room] = p
	}
	lines := bytes.Count(src, []byte("\n"))
	if strings.HasSuffix(rel, "_test.go") {
		p.testFiles++
		p.testLines += lines
		return nil
	}
	p.files++
	p.lines += lines
	if strings.HasPrefix(rel, "test/") {
		return nil
	}
	for line := range bytes.Lines(src) {
		if utf8.RuneCount(bytes.TrimRight(line, "\n")) > columnsMax { // a tab is one column
			m.long++
		}
	}
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, src, parser.ParseComments)
	if err != nil {
		return err
	}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
			m.function(fset, f, fn, room)
		}
	}
	return nil
}

func (m *measures) function(fset *token.FileSet, f *ast.File, fn *ast.FuncDecl, room string) {
	name := fn.Name.Name
	if fn.Recv != nil {
		recv := receiver(fn.Recv.List[0].Type)
		m.methods[room+"."+recv]++
		if slices.Contains(vague, name) {
			m.vague[name]++
		}
		name = recv + "." + name
	}
	if n := branches(fn); n > branchesMax {
		m.branchy = append(m.branchy, fmt.Sprintf("%s.%s (%d)", room, name, n))
	}
	from, to := fset.Position(fn.Body.Lbrace).Line, fset.Position(fn.Body.Rbrace).Line
	m.lines += max(0, to-from-1)
	for _, g := range f.Comments {
		if g.Pos() > fn.Body.Lbrace && g.End() < fn.Body.Rbrace {
			m.inside += fset.Position(g.End()).Line - fset.Position(g.Pos()).Line + 1
		}
	}
}

func receiver(t ast.Expr) string {
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name
		default:
			return "?"
		}
	}
}

// branches are the ways on which a function goes apart, closures in it left out:
// each if, loop, case, && and ||.
func branches(fn *ast.FuncDecl) (n int) {
	ast.Inspect(fn.Body, func(x ast.Node) bool {
		switch x := x.(type) {
		case *ast.FuncLit:
			return false
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			n++
		case *ast.CaseClause:
			if x.List != nil {
				n++
			}
		case *ast.CommClause:
			if x.Comm != nil {
				n++
			}
		case *ast.BinaryExpr:
			if x.Op == token.LAND || x.Op == token.LOR {
				n++
			}
		}
		return true
	})
	return n
}

func (m *measures) print() {
	rooms := make([]string, 0, len(m.packages))
	for room := range m.packages {
		rooms = append(rooms, room)
	}
	slices.Sort(rooms)
	fmt.Printf("%-32s %6s %7s %6s %7s\n", "package", "files", "lines", "tests", "lines")
	var sum pkg
	for _, room := range rooms {
		p := m.packages[room]
		fmt.Printf("%-32s %6d %7d %6d %7d\n", room, p.files, p.lines, p.testFiles, p.testLines)
		sum = pkg{sum.files + p.files, sum.lines + p.lines, sum.testFiles + p.testFiles, sum.testLines + p.testLines}
	}
	fmt.Printf("%-32s %6d %7d %6d %7d\n\n", "all", sum.files, sum.lines, sum.testFiles, sum.testLines)
	fmt.Printf("methods of broker.Server: %d\n", m.methods["broker.Server"])
	fmt.Printf("functions with more than %d branches, outside test: %d %s\n", branchesMax, len(m.branchy), strings.Join(m.branchy, ", "))
	fmt.Printf("comments inside bodies: %.1f lines in 100, outside test\n", 100*float64(m.inside)/float64(max(1, m.lines)))
	for _, name := range vague {
		fmt.Printf("types with a method %s, outside test: %d\n", name, m.vague[name])
	}
	fmt.Printf("lines of more than %d columns, outside test: %d\n", columnsMax, m.long)
}
