package acl_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/lockstep-log/lockstep/broker"
	"github.com/lockstep-log/lockstep/broker/security"
	"github.com/lockstep-log/lockstep/internal/cli/acl"
	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// startBroker starts a broker with an authorizer, to which everybody is a super user.
func startBroker(t *testing.T) string {
	s, err := broker.New(broker.Config{
		NodeID: 1, DataDir: t.TempDir(), Listeners: []broker.Listener{{Name: "a", Addr: "127.0.0.1:0"}},
		Authorizer: &broker.AuthorizerConfig{SuperUsers: []security.Principal{security.Anonymous}},
		Logger:     slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	select {
	case <-s.Ready():
	case err := <-ended:
		t.Fatal(err)
	}
	return s.Addr("")
}

// run runs one command line and returns what it printed, or the error's text.
func run(t *testing.T, addr string, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	s := &command.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}
	cmd := acl.New(s)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetArgs(append(args, "--brokers", addr))
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		return "ERROR " + err.Error() + errs.String()
	}
	return out.String()
}

// TestACLsAreAddedListedAndRemoved tells a life of some, locks among them, against a
// real broker.
func TestACLsAreAddedListedAndRemoved(t *testing.T) {
	addr := startBroker(t)
	for _, c := range []struct{ line, want string }{
		{"list", "RESOURCE NAME PATTERN PRINCIPAL HOST OPERATION PERMISSION"},
		{"add --allow-principal User:pay --consumer --topic orders --group pay", "added: allow User:pay from * may read topic orders\n" +
			"added: allow User:pay from * may describe topic orders\nadded: allow User:pay from * may read group pay"},
		{"add --allow-principal User:pay --operation write --lock acct:", "added: allow User:pay from * may write lock acct:…"},
		{"add --deny-principal User:* --topic secret- --pattern prefixed --host 10.0.0.1", "added: deny User:* from 10.0.0.1 may not all topic secret-…"},
		{"list --principal User:pay", "RESOURCE NAME PATTERN PRINCIPAL HOST OPERATION PERMISSION\n" +
			"group pay literal User:pay * read allow\nlock acct: prefixed User:pay * write allow\n" +
			"topic orders literal User:pay * describe allow\ntopic orders literal User:pay * read allow"},
		{"list --topic secret-1 --pattern match", "RESOURCE NAME PATTERN PRINCIPAL HOST OPERATION PERMISSION\ntopic secret- prefixed User:* 10.0.0.1 all deny"},
		{"list --lock acct: --format json", `[{"resource":"lock","name":"acct:","pattern":"prefixed","principal":"User:pay","host":"*","operation":"write","permission":"allow"}]`},
		{"add --allow-principal User:pay --operation read --lock acct:", "ERROR"},
		{"add --allow-principal pay --topic t", `principal "pay": want KIND:NAME, as in User:pay`},
		{"add --topic t", "who?"},
		{"add --allow-principal User:pay", "of what?"},
		{"add --allow-principal User:pay --topic t --operation fly", `operation "fly" is unknown`},
		{"remove", "which?"},
		{"remove --lock acct: --principal User:pay", "removed: allow User:pay from * may write lock acct:…"},
		{"remove --principal User:pay --topic orders --operation describe", "removed: allow User:pay from * may describe topic orders"},
		{"list --principal User:pay --format json", `[{"resource":"group","name":"pay","pattern":"literal","principal":"User:pay","host":"*","operation":"read","permission":"allow"},` +
			`{"resource":"topic","name":"orders","pattern":"literal","principal":"User:pay","host":"*","operation":"read","permission":"allow"}]`},
	} {
		got := run(t, addr, strings.Fields(c.line)...)
		fields := func(s string) string {
			var lines []string
			for line := range strings.Lines(s) {
				lines = append(lines, strings.Join(strings.Fields(line), " "))
			}
			return strings.Join(lines, "\n")
		}
		if !strings.Contains(fields(got), c.want) {
			t.Errorf("acl %s:\n got %s\nwant %s", c.line, fields(got), c.want)
		}
	}
}
