package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/internal/cli/command/commandtest"
)

// What ends a broker is a line of its log where the log is for a machine.
func TestAFatalErrorIsJSONWhereTheLogIs(t *testing.T) {
	for _, c := range []struct {
		environ []string
		args    []string
		code    int
		json    bool
		says    string
	}{
		{args: []string{"--node-id", "x"}, code: command.ExitUsage, json: true, says: `setting node-id = "x" (flag --node-id): want a number from 0`},
		{args: []string{"--no-such-flag"}, code: command.ExitUsage, json: true, says: "unknown flag: --no-such-flag"},
		{args: []string{"more"}, code: command.ExitUsage, json: true, says: "wants no arguments"},
		{args: []string{"--config", "/nowhere.yaml"}, code: command.ExitUsage, json: true, says: "/nowhere.yaml"},
		{args: []string{"--data-dir", "/dev/null/x"}, code: command.ExitError, json: true, says: "/dev/null/x"},
		{environ: []string{"LOCKSTEP_LOG_FORMAT=text"}, args: []string{"--node-id", "x"}, code: command.ExitUsage, says: "lockstep serve: setting node-id"},
		{args: []string{"--log-format", "text", "--data-dir", "/dev/null/x"}, code: command.ExitError, says: "lockstep: "},
	} {
		s := commandtest.Quiet(c.environ...)
		args := append([]string{"serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"}, c.args...)
		code := execute(t.Context(), args, s)
		said := s.Err.(*bytes.Buffer)
		if code != c.code {
			t.Errorf("%q: exit %d, want %d", c.args, code, c.code)
		}
		text := said.String()
		if c.json {
			all := strings.Split(strings.TrimSpace(text), "\n")
			var last map[string]any
			if err := json.Unmarshal([]byte(all[len(all)-1]), &last); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if text = fmt.Sprint(last["error"]); last["level"] != "ERROR" || last["msg"] != "the broker has ended" {
				t.Errorf("%q: %v", c.args, last)
			}
		}
		if !strings.Contains(text, c.says) {
			t.Errorf("%q: got %s, want %s", c.args, text, c.says)
		}
	}
}

// The exit code is that of a wrong usage, and no port was opened.
func TestABrokerThatIsAskedForSecurityExitsWith2(t *testing.T) {
	for env, says := range map[string]string{
		"KAFKA_LISTENERS=SASL_SSL://127.0.0.1:0": "speaks sasl_tls and has no certificate",
		"KAFKA_SSL_KEYSTORE_PASSWORD=hunter2":    "KAFKA_SSL_KEYSTORE_PASSWORD",
	} {
		var out, talk bytes.Buffer
		s := &command.Streams{In: strings.NewReader(""), Out: &out, Err: &talk, Environ: []string{env}}
		code := execute(t.Context(), []string{"serve", "--data-dir", t.TempDir()}, s)
		if code != command.ExitUsage || out.Len() > 0 || !strings.Contains(talk.String(), says) || strings.Contains(talk.String(), "hunter2") {
			t.Errorf("%s: exit %d, %q, %q", env, code, &out, &talk)
		}
	}
}
