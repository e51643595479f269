package serve

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/internal/cli/command/commandtest"
)

// runWith runs the serve command with run in the broker's place.
func runWith(run runFunc, s *command.Streams, args ...string) error {
	cmd := serveCommand(s, "serve", "", run)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	return cmd.ExecuteContext(context.Background())
}

func TestServeHandsTheBrokerWhatWasTyped(t *testing.T) {
	var got serveConfig
	err := runWith(func(_ context.Context, cfg serveConfig, _ *slog.Logger) error {
		got = cfg
		return nil
	}, commandtest.Quiet("LOCKSTEP_RACK=east"), "--node-id", "3", "--auto-create-topics=false", "--topics", "a:3,b:1")
	if err != nil {
		t.Fatal(err)
	}
	if got.NodeID != 3 || got.AutoCreateTopics || len(got.Topics) != 2 || got.Rack != "east" {
		t.Errorf("got %+v", got)
	}
}

func TestLogsAreTextOnATerminalAndJSONElsewhere(t *testing.T) {
	say := func(_ context.Context, _ serveConfig, log *slog.Logger) error {
		log.Info("ready", "in", "0.4s")
		log.Debug("unsaid")
		return nil
	}
	for _, c := range []struct {
		tty  bool
		args []string
		want string
	}{
		{true, nil, "msg=ready in=0.4s\n"},
		{false, nil, `"msg":"ready","in":"0.4s"}` + "\n"},
		{false, []string{"--log-format", "text"}, "msg=ready in=0.4s\n"},
		{true, []string{"--log-format", "json", "--log-level", "debug"}, `"msg":"unsaid"}` + "\n"},
	} {
		s := commandtest.Quiet()
		s.ErrIsTTY = c.tty
		if err := runWith(say, s, c.args...); err != nil {
			t.Fatal(err)
		}
		if got := s.Err.(*bytes.Buffer).String(); !strings.HasSuffix(got, c.want) {
			t.Errorf("%v: got %q, want it to end in %q", c.args, got, c.want)
		}
	}
}

func TestDevLeavesNothingBehind(t *testing.T) {
	parent := t.TempDir()
	failed := errors.New("disk on fire")
	var dir string
	run := runTemporary(func(_ context.Context, cfg serveConfig, _ *slog.Logger) error {
		dir = cfg.DataDir
		if !cfg.Temporary {
			t.Error("the broker is not told that its directory is temporary")
		}
		if err := os.WriteFile(dir+"/log", []byte("x"), 0o600); err != nil {
			t.Error(err)
		}
		return failed
	})
	if err := runWith(run, commandtest.Quiet(), "--data-dir", parent); !errors.Is(err, failed) {
		t.Errorf("got %v, want the broker's own error", err)
	}
	if !strings.HasPrefix(dir, parent) {
		t.Errorf("the directory %s is not in %s", dir, parent)
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
