package cli

import (
	"errors"
	"flag"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the golden output of the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lockstep": func() { os.Exit(Main("")) }})
}

// TestScripts runs the command line as a user does, each script against a
// cluster of its own: Kafka's side is kfake, the judge of locks and the HTTP
// side are in standin_test.go. The scripts in testdata/script are also the
// examples of what each command prints.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Setup:               startStandin,
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"put":   put,
		},
	})
}

// put tells the stand-in how it is to be: put $H/down/2.
func put(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: put HOST:PORT/PATH")
	}
	req, err := http.NewRequest(http.MethodPut, "http://"+args[0], nil)
	ts.Check(err)
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	resp.Body.Close()
}

// exits runs a command that must end with the given code: exits 3 lockstep …
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}
