package security

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// ClientAuth is whether a client must show a certificate, as Kafka's ssl.client.auth.
type ClientAuth uint8

// The zero value asks for none.
const (
	ClientAuthNone ClientAuth = iota
	ClientAuthRequested
	ClientAuthRequired
)

// ParseClientAuth reads none, requested (or request) or required.
func ParseClientAuth(s string) (ClientAuth, error) {
	switch s {
	case "none":
		return ClientAuthNone, nil
	case "request", "requested":
		return ClientAuthRequested, nil
	case "required":
		return ClientAuthRequired, nil
	}
	return 0, fmt.Errorf("want none, request or required, got %q", s)
}

// TLSFiles are the files, all in PEM, that the TLS of a listener is made of.
type TLSFiles struct {
	Cert       string // the certificate, and those between it and its CA
	Key        string // its key
	ClientCA   string // the CAs of clients; "" = none
	ClientAuth ClientAuth
	// PeerCA are the CAs by which this broker, as a client, trusts another one;
	// "" = ClientCA, or without that the system's.
	PeerCA string
}

func (f TLSFiles) validate() error {
	switch {
	case f.Cert == "" || f.Key == "":
		return errors.New("TLS needs a certificate and its key")
	case f.ClientAuth != ClientAuthNone && f.ClientCA == "":
		return errors.New("certificates of clients are asked for, and no CA is named that could have signed them")
	}
	return nil
}

// expiryWarning is how long before its end a certificate is spoken of.
const expiryWarning = 14 * 24 * time.Hour

// Certificates are what TLSFiles hold. They are read again when they change: new
// connections go by the new ones, and those that stand are left alone. Its methods may
// be called from any goroutine.
type Certificates struct {
	files TLSFiles
	log   *slog.Logger
	now   atomic.Pointer[loaded]
}

// loaded is one reading of the files.
type loaded struct {
	raw    [4][]byte // of the files, as read
	server *tls.Config
	client *tls.Config
	leaf   *x509.Certificate
}

// LoadCertificates reads the files.
func LoadCertificates(f TLSFiles, log *slog.Logger) (*Certificates, error) {
	if err := f.validate(); err != nil {
		return nil, err
	}
	c := &Certificates{files: f, log: log}
	raw, err := f.read()
	if err != nil {
		return nil, err
	}
	l, err := f.parse(raw)
	if err != nil {
		return nil, err
	}
	c.now.Store(l)
	c.warnOfEnd(l)
	return c, nil
}

// Server is what a listener's handshakes go by at the moment.
func (c *Certificates) Server() *tls.Config { return c.now.Load().server }

// Client is what a connection to another broker goes by at the moment. It is not to
// be changed; its ServerName is not set.
func (c *Certificates) Client() *tls.Config { return c.now.Load().client }

// Watch reads the files again whenever they have changed, until ctx ends. What cannot
// be read, or does not fit together, is logged, and the old ones stand: whoever replaces
// a certificate and its key replaces one file after the other.
func (c *Certificates) Watch(ctx context.Context, every time.Duration) error {
	return watchFile(ctx, every, c.reload, func(err error) {
		c.log.Error("certificates have changed and cannot be used; the old ones stand", "error", err)
	})
}

// reload takes changed files into use.
func (c *Certificates) reload() error {
	raw, err := c.files.read()
	if err != nil {
		return err
	}
	old := c.now.Load()
	same := true
	for i := range raw {
		same = same && bytes.Equal(raw[i], old.raw[i])
	}
	if same {
		return nil
	}
	l, err := c.files.parse(raw)
	if err != nil {
		return err
	}
	c.now.Store(l)
	c.log.Info("certificates were read again", "cert", c.files.Cert, "subject", DistinguishedName(l.leaf),
		"until", l.leaf.NotAfter.UTC().Format(time.RFC3339))
	c.warnOfEnd(l)
	return nil
}

func (c *Certificates) warnOfEnd(l *loaded) {
	switch left := time.Until(l.leaf.NotAfter); {
	case left <= 0:
		c.log.Error("certificate has expired; clients will refuse it", "cert", c.files.Cert, "until", l.leaf.NotAfter.UTC())
	case left < expiryWarning:
		c.log.Warn("certificate is about to expire", "cert", c.files.Cert, "until", l.leaf.NotAfter.UTC())
	}
}

func (f TLSFiles) read() (raw [4][]byte, err error) {
	for i, path := range []string{f.Cert, f.Key, f.ClientCA, f.PeerCA} {
		if path == "" {
			continue
		}
		if raw[i], err = os.ReadFile(path); err != nil {
			return raw, err
		}
	}
	return raw, nil
}

// parse makes TLS's configurations of what the files hold. Of cipher suites, curves
// and signatures Go's defaults are good, but for TLS 1.2, where those without forward
// secrecy or without an AEAD are left out.
func (f TLSFiles) parse(raw [4][]byte) (*loaded, error) {
	pair, err := tls.X509KeyPair(raw[0], raw[1])
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", f.Cert, f.Key, err)
	}
	clients, err := pool(f.ClientCA, raw[2])
	if err != nil {
		return nil, err
	}
	peers, err := pool(f.PeerCA, raw[3])
	if err != nil {
		return nil, err
	}
	if peers == nil {
		peers = clients
	}
	l := &loaded{raw: raw, leaf: pair.Leaf}
	l.server = &tls.Config{
		MinVersion: tls.VersionTLS12, CipherSuites: cipherSuites(), Certificates: []tls.Certificate{pair},
		ClientCAs: clients, ClientAuth: f.ClientAuth.tls(),
	}
	l.client = &tls.Config{
		MinVersion: tls.VersionTLS12, CipherSuites: cipherSuites(), Certificates: []tls.Certificate{pair}, RootCAs: peers,
	}
	return l, nil
}

func (a ClientAuth) tls() tls.ClientAuthType {
	switch a {
	case ClientAuthRequested:
		return tls.VerifyClientCertIfGiven
	case ClientAuthRequired:
		return tls.RequireAndVerifyClientCert
	}
	return tls.NoClientCert
}

// pool is the CAs of a file; nil: there is no file.
func pool(path string, pem []byte) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", path)
	}
	return p, nil
}

// cipherSuites are those of TLS 1.2 that Go holds to be secure and that have forward
// secrecy and authenticated encryption. TLS 1.3 has no others.
func cipherSuites() (ids []uint16) {
	for _, s := range tls.CipherSuites() {
		switch s.ID {
		case tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256:
			ids = append(ids, s.ID)
		}
	}
	return ids
}
