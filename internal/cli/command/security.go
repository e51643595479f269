package command

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Security is how a client command proves who it is, and whom it trusts. What is typed
// wins over -X, that over the file of properties, and that over a profile.
type Security struct {
	tls                    bool
	ca, cert, key          string
	mechanism, user        string
	passwordFile, password string // password: of a property; never of a flag, which `ps` would show
	properties             []string
	file, profile          string

	inlineCA, inlineCert, inlineKey string // PEM, of properties
	plaintext                       bool   // security.protocol says so
}

// securityFlags are the flags that take a value, by name. Where a command has a --key of
// its own, that of the certificate is --tls-key.
func (s *Security) securityFlags() []struct {
	name, usage string
	to          *string
} {
	return []struct {
		name, usage string
		to          *string
	}{
		{"ca", "CAs that brokers' certificates are signed by, `FILE` in PEM (default: the system's); implies --tls", &s.ca},
		{"cert", "certificate to show to brokers, `FILE` in PEM; implies --tls", &s.cert},
		{"key", "its key, `FILE` in PEM", &s.key},
		{"sasl-mechanism", "`MECHANISM` of SASL: SCRAM-SHA-512 (the default with --user), SCRAM-SHA-256, PLAIN or OAUTHBEARER", &s.mechanism},
		{"user", "`NAME` of the user", &s.user},
		{"password-file", "`FILE` with the user's password, or the token", &s.passwordFile},
		{"command-config", "`FILE` of Kafka client properties, as Kafka's own tools take it", &s.file},
		{"profile", "`NAME` of a cluster in the file of profiles; also LOCKSTEP_PROFILE", &s.profile},
	}
}

func (s *Security) flags(cmd *cobra.Command, env *Streams) {
	f := cmd.Flags()
	f.BoolVar(&s.tls, "tls", false, "speak TLS")
	for _, flag := range s.securityFlags() {
		name := flag.name
		if f.Lookup(name) != nil {
			name = "tls-" + name
		}
		f.StringVar(flag.to, name, "", flag.usage)
	}
	f.StringArrayVarP(&s.properties, "property", "X", nil, "a Kafka client property, `KEY=VALUE`; may be repeated")
	if s.profile == "" {
		s.profile = env.getenv(envProfile)
	}
}

// args are the flags again, for a process that this command starts.
func (s *Security) args() (args []string) {
	if s.tls {
		args = append(args, "--tls")
	}
	for _, flag := range s.securityFlags() {
		if *flag.to != "" {
			args = append(args, "--"+flag.name, *flag.to)
		}
	}
	for _, p := range s.properties {
		args = append(args, "-X", p)
	}
	return args
}

// options are those of a client that goes by it.
func (s Security) options(p *Profile) ([]kgo.Opt, error) {
	var opts []kgo.Opt
	if err := s.complete(); err != nil {
		return nil, err
	}
	if p != nil {
		if err := s.fill(p); err != nil {
			return nil, err
		}
	}
	if s.speaksTLS() {
		if s.plaintext {
			return nil, errors.New("security.protocol says plain text, and other settings ask for TLS")
		}
		cfg, err := s.tlsConfig()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.Dialer((&tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: cfg}).DialContext))
	}
	m, err := s.saslMechanism()
	if err != nil {
		return nil, err
	}
	if m != nil {
		opts = append(opts, kgo.SASL(m))
	}
	return opts, nil
}

func (s *Security) speaksTLS() bool {
	return s.tls || s.ca != "" || s.cert != "" || s.key != "" || s.inlineCA != "" || s.inlineCert != ""
}

func (s *Security) tlsConfig() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	ca, err := readPEM(s.ca, s.inlineCA)
	if err != nil {
		return nil, err
	}
	if ca != nil {
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", s.ca)
		}
	}
	cert, err := readPEM(s.cert, s.inlineCert)
	if err != nil {
		return nil, err
	}
	key, err := readPEM(s.key, s.inlineKey)
	if err != nil {
		return nil, err
	}
	switch {
	case cert == nil && key == nil:
		return cfg, nil
	case cert == nil || key == nil:
		return nil, errors.New("a certificate needs its key, and a key its certificate: --cert and --key")
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", s.cert, s.key, err)
	}
	cfg.Certificates = []tls.Certificate{pair}
	return cfg, nil
}

func readPEM(path, inline string) ([]byte, error) {
	if path == "" {
		if inline == "" {
			return nil, nil
		}
		return []byte(inline), nil
	}
	return os.ReadFile(path)
}

// saslMechanism is the client's side of the mechanism; nil: there is none.
func (s *Security) saslMechanism() (sasl.Mechanism, error) {
	secret, err := s.secret()
	if err != nil {
		return nil, err
	}
	mechanism := s.mechanism
	switch {
	case mechanism == "" && s.user == "" && secret == "":
		return nil, nil
	case s.plaintext && !s.tls && mechanism == "" && s.user == "":
		return nil, nil
	case mechanism == "":
		mechanism = "SCRAM-SHA-512"
	}
	if secret == "" {
		return nil, errors.New("a user needs a password: --password-file")
	}
	if mechanism == "OAUTHBEARER" {
		return oauth.Auth{Token: secret}.AsMechanism(), nil
	}
	if s.user == "" {
		return nil, errors.New("a password needs a user: --user")
	}
	switch mechanism {
	case "PLAIN":
		return plain.Auth{User: s.user, Pass: secret}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: s.user, Pass: secret}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: s.user, Pass: secret}.AsSha512Mechanism(), nil
	}
	return nil, fmt.Errorf("want a mechanism among SCRAM-SHA-512, SCRAM-SHA-256, PLAIN and OAUTHBEARER, got %q", mechanism)
}

func (s *Security) secret() (string, error) {
	if s.passwordFile == "" {
		return s.password, nil
	}
	b, err := os.ReadFile(s.passwordFile)
	if err != nil {
		return "", fmt.Errorf("password: %w", err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
