package cli

import (
	"bytes"
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/internal/cli/command/commandtest"
)

// The rules of this file hold for all commands: each test walks through them.

// Every number flag has a least number, and less is a usage error of one form.
func TestANumberThatMakesNoSenseIsAUsageError(t *testing.T) {
	for name, cmd := range leaves() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			tooSmall, want := "", ""
			switch f.Value.Type() {
			case "duration":
				least, ok := command.LeastDurations[f.Name]
				if !ok {
					t.Errorf("%s --%s has no least duration", name, f.Name)
				}
				tooSmall, want = (least - 1).String(), "wants a duration from "
			case "int", "int16", "int32", "int64", "int32Slice":
				if _, ok := command.LeastNumbers[f.Name]; !ok {
					if _, ok = command.LeastNumbers[name+" "+f.Name]; !ok {
						t.Errorf("%s --%s has no least number", name, f.Name)
					}
				}
				tooSmall, want = strconv.FormatInt(command.LeastOf(cmd, f.Name)-1, 10), "wants a number from "
			default:
				return
			}
			s := commandtest.Quiet()
			args := append(strings.Fields(name), strings.Fields(asked[name])...)
			args = append(args, "--"+f.Name+"="+tooSmall)
			if code := execute(context.Background(), args, s); code != command.ExitUsage {
				t.Errorf("%v: exit code %d: %s", args, code, s.Err)
			}
			if said := s.Err.(*bytes.Buffer).String(); !strings.Contains(said, "--"+f.Name+" "+want) {
				t.Errorf("%v: it said %q", args, said)
			}
		})
	}
}

// A script or a wrapper gives the same flags to all commands.
func TestEveryClientCommandTakesTheFlagsThatSayWhichCluster(t *testing.T) {
	for name, cmd := range leaves() {
		for _, flag := range []string{"brokers", "http", "timeout"} {
			if _, asks := asked[name]; asks && cmd.Flags().Lookup(flag) == nil {
				t.Errorf("%s takes no --%s", name, flag)
			}
		}
		if f := cmd.Flags().ShorthandLookup("b"); asked[name] != "" && (f == nil || f.Name != "brokers") {
			t.Errorf("%s takes no -b", name)
		}
	}
}

// LOCKSTEP_HTTP is one thing, for the broker that opens it and for whoever asks.
func TestAnHTTPAddressIsReadByOneRule(t *testing.T) {
	asking := 0
	for name, cmd := range leaves() {
		flag := cmd.Flags().Lookup("http")
		if flag == nil {
			continue
		}
		asksHTTP := !strings.Contains(flag.Usage, "does not ask")
		if asksHTTP {
			asking++
		}
		for _, c := range []struct {
			environ string
			flag    string
			want    string
		}{
			{"LOCKSTEP_HTTP=9644", "", `setting http = "9644" (environment variable LOCKSTEP_HTTP): want HOST:PORT, got "9644"`},
			{"LOCKSTEP_HTTP=9644", "--http=b1", `setting http = "b1" (flag --http): want HOST:PORT, got "b1"`},
			{"", "--http=http://b1:9644", `setting http = "http://b1:9644" (flag --http): want HOST:PORT, got "http://b1:9644"`},
		} {
			if c.flag == "" && !asksHTTP {
				continue // what it does not need it does not look at
			}
			s := commandtest.Quiet(c.environ)
			args := append(strings.Fields(name), strings.Fields(asked[name])...)
			if c.flag != "" {
				args = append(args, c.flag)
			}
			if code := execute(context.Background(), args, s); code != command.ExitUsage {
				t.Errorf("%v: exit code %d", args, code)
			}
			if said := strings.ReplaceAll(s.Err.(*bytes.Buffer).String(), `\"`, `"`); !strings.Contains(said, c.want) {
				t.Errorf("%v: it said %q, want %q", args, said, c.want)
			}
		}
	}
	if asking < 7 {
		t.Errorf("only %d commands ask by HTTP", asking)
	}
}

var (
	keyRule = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	// offsetKeys are numbers, of which -1 stands for none.
	offsetKeys = []string{"basis", "last", "offset", "committed", "end", "start", "from", "to", "high_watermark",
		"log_start_offset", "base_offset", "last_offset", "log_end"}
	offsetType = []string{"int64", "protocol.Offset", "*int64", "*protocol.Offset"}
)

// What is printed as JSON and YAML has keys of one spelling, the same in both,
// and offsets of one type. entry is the demo's record, no output.
func TestWhatIsPrintedHasOneSpellingAndOffsetsOneType(t *testing.T) {
	seen := 0
	for _, dir := range []string{"..", "../../broker"} {
		for _, file := range sourcesIn(t, dir) {
			ast.Inspect(file, func(n ast.Node) bool {
				spec, ok := n.(*ast.TypeSpec)
				if ok && spec.Name.Name == "entry" {
					return false
				}
				f, ok := n.(*ast.Field)
				if !ok || f.Tag == nil {
					return true
				}
				tag := reflect.StructTag(strings.Trim(f.Tag.Value, "`"))
				key, printed := tag.Lookup("json")
				if !printed || key == "-" {
					return true
				}
				seen++
				key, _, _ = strings.Cut(key, ",")
				if !keyRule.MatchString(key) {
					t.Errorf("%s: the key %q is not of small letters and _", dir, key)
				}
				if yaml, ok := tag.Lookup("yaml"); ok && strings.Split(yaml, ",")[0] != key {
					t.Errorf("%s: the key %q is %q in YAML", dir, key, yaml)
				}
				if kind := typeText(f.Type); slices.Contains(offsetKeys, key) && !slices.Contains(offsetType, kind) {
					t.Errorf("%s: %q is of type %s", dir, key, kind)
				}
				return true
			})
		}
	}
	if seen < 150 {
		t.Errorf("only %d keys were seen", seen)
	}
}

// sourcesIn parses all packages below a folder, without their tests.
func sourcesIn(t *testing.T, dir string) (all []*ast.File) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		all = append(all, file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func typeText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return typeText(e.X) + "." + e.Sel.Name
	case *ast.StarExpr:
		return "*" + typeText(e.X)
	}
	return "something else"
}
