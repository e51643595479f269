package cli

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockstep-log/lockstep/broker"
	"github.com/lockstep-log/lockstep/broker/security"
	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/internal/cli/command/commandtest"
)

// runCommand executes a command line that must end with a code, and returns what it printed.
func runCommand(t *testing.T, code int, env []string, args ...string) (out, said string) {
	t.Helper()
	s := commandtest.Quiet()
	s.Environ = append(s.Environ, env...)
	if got := execute(context.Background(), args, s); got != code {
		t.Fatalf("lockstep %s: exit code %d, want %d: %s", strings.Join(args, " "), got, code, s.Err)
	}
	return s.Out.(*bytes.Buffer).String(), s.Err.(*bytes.Buffer).String()
}

// secureBroker is a broker with a listener of mutual TLS and one of sasl_tls, by the
// certificates that `lockstep cert` has made in dir.
func secureBroker(t *testing.T, dir string) (mtls, sasl string) {
	t.Helper()
	in := func(name string) string { return filepath.Join(dir, name) }
	files := security.TLSFiles{Cert: in("broker-1.crt"), Key: in("broker-1.key"), ClientCA: in("ca.crt"), ClientAuth: security.ClientAuthRequired}
	open := files
	open.ClientAuth = security.ClientAuthNone
	srv, err := broker.New(broker.Config{
		NodeID: 1, DataDir: t.TempDir(), Logger: slog.New(slog.DiscardHandler),
		Listeners: []broker.Listener{
			{Name: "mtls", Addr: "127.0.0.1:0", Protocol: security.TLS, TLS: files},
			{Name: "sasl", Addr: "127.0.0.1:0", Protocol: security.SASLTLS, TLS: open, Mechanisms: []string{security.ScramSHA512, security.ScramSHA256}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- srv.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
	<-srv.Ready()
	return srv.Addr("mtls"), srv.Addr("sasl")
}

// TestCommandsReachASecureCluster by certificates and by passwords, however these are said.
func TestCommandsReachASecureCluster(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) string {
		if err := os.WriteFile(in(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return in(name)
	}
	runCommand(t, command.ExitDone, nil, "cert", dir)
	mtls, sasl := secureBroker(t, dir)
	byCert := []string{"-b", mtls, "--ca", in("ca.crt"), "--cert", in("client.crt"), "--key", in("client.key")}
	runCommand(t, command.ExitDone, nil, append([]string{"topic", "create", "a"}, byCert...)...)
	runCommand(t, command.ExitError, nil, "topic", "list", "-b", mtls, "--ca", in("ca.crt"), "--timeout", "2s")
	runCommand(t, command.ExitError, nil, "topic", "list", "-b", mtls, "--timeout", "2s")

	_, said := runCommand(t, command.ExitDone, nil, append([]string{"user", "add", "alice", "--new-password-file", write("password", "alice's\n")}, byCert...)...)
	if strings.Contains(said, "alice's") {
		t.Errorf("it shows the password: %s", said)
	}
	made, _ := runCommand(t, command.ExitDone, nil, append([]string{"user", "add", "bob", "--mechanism", "SCRAM-SHA-256", "--generate"}, byCert...)...)
	_, password, _ := strings.Cut(strings.TrimSpace(made), "password ")
	if listed, _ := runCommand(t, command.ExitDone, nil, append([]string{"user", "list"}, byCert...)...); !strings.Contains(listed, "alice  SCRAM-SHA-512  4096") {
		t.Errorf("listed: %s", listed)
	}

	list := func(want int, env []string, args ...string) {
		t.Helper()
		args = append([]string{"topic", "list", "--timeout", "3s"}, args...)
		if out, _ := runCommand(t, want, env, args...); want == command.ExitDone && !strings.Contains(out, "a ") {
			t.Errorf("listed: %s", out)
		}
	}
	tls := []string{"-b", sasl, "--ca", in("ca.crt")}
	list(command.ExitDone, nil, append(tls, "--user", "alice", "--password-file", in("password"))...)
	list(command.ExitError, nil, append(tls, "--user", "bob", "--password-file", in("password"))...)
	list(command.ExitDone, nil, append(tls, "-X", "sasl.mechanism=SCRAM-SHA-256", "-X", "sasl.username=bob", "-X", "sasl.password="+password)...)
	list(command.ExitError, nil, append(tls, "-X", "sasl.mechanizm=PLAIN")...)
	properties := write("client.properties", fmt.Sprintf("# as Kafka's tools take it\nsecurity.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n"+
		"sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \\\n  username=\"alice\" password=\"alice's\";\n"+
		"ssl.truststore.type=PEM\nssl.truststore.location=%s\nrequest.timeout.ms=1000\n", in("ca.crt")))
	list(command.ExitDone, nil, "-b", sasl, "--command-config", properties)
	list(command.ExitError, nil, "-b", sasl, "--command-config", write("jks.properties", "ssl.truststore.type=JKS\n"))
	list(command.ExitError, nil, "-b", sasl, "--command-config", write("gssapi.properties", "sasl.kerberos.service.name=kafka\n"))

	env := []string{"LOCKSTEP_PROFILES=" + in("profiles.yaml")}
	runCommand(t, command.ExitDone, env, "profile", "set", "prod", "--brokers", sasl, "--ca", in("ca.crt"), "--user", "alice", "--password-file", in("password"))
	list(command.ExitDone, env, "--profile", "prod")
	list(command.ExitDone, append(env, "LOCKSTEP_PROFILE=prod"))
	list(command.ExitError, env, "--profile", "prid")
	if shown, _ := runCommand(t, command.ExitDone, env, "profile", "show", "prod"); strings.Contains(shown, "alice's") || !strings.Contains(shown, "user: alice") {
		t.Errorf("shown: %s", shown)
	}
	runCommand(t, command.ExitDone, env, "profile", "delete", "prod")

	runCommand(t, command.ExitDone, nil, append([]string{"user", "delete", "alice"}, byCert...)...)
	list(command.ExitError, nil, append(tls, "--user", "alice", "--password-file", in("password"))...)
	runCommand(t, command.ExitError, nil, append([]string{"user", "delete", "alice"}, byCert...)...)
}
