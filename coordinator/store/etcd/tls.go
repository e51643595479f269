package etcd

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"go.etcd.io/etcd/client/pkg/v3/transport"
)

// TLSFiles are the files, in PEM, by which etcd is reached over TLS: a certificate to
// show, its key, and the CA that signs the others'. The zero value is plain text. Certificate
// and key are read again for each connection, so that they are replaced while etcd runs.
type TLSFiles struct{ Cert, Key, CA string }

// Set reports whether there are any.
func (f TLSFiles) Set() bool { return f != TLSFiles{} }

// Scheme is that of the URLs of members.
func (f TLSFiles) Scheme() string {
	if f.Set() {
		return "https"
	}
	return "http"
}

// info is etcd's own word for them.
func (f TLSFiles) info() transport.TLSInfo {
	return transport.TLSInfo{CertFile: f.Cert, KeyFile: f.Key, TrustedCAFile: f.CA, MinVersion: tls.VersionTLS12}
}

// server is what a member's port goes by; nil: plain text. Who comes must show a
// certificate of the CA that is a server's as well: the CA may sign those of clients, too, and whoever
// reaches this port may change all metadata.
func (f TLSFiles) server() (*tls.Config, error) {
	if !f.Set() {
		return nil, nil
	}
	info := f.info()
	info.ClientCertAuth = true
	cfg, err := info.ServerConfig()
	if err != nil {
		return nil, err
	}
	cfg.NextProtos = nil // the server's own
	cfg.VerifyPeerCertificate = func(_ [][]byte, chains [][]*x509.Certificate) error {
		for _, chain := range chains {
			if slices.Contains(chain[0].ExtKeyUsage, x509.ExtKeyUsageServerAuth) {
				return nil
			}
		}
		return errors.New("the certificate is no broker's")
	}
	return cfg, nil
}

// encrypts reports whether an URL is of TLS.
func encrypts(u string) bool { return strings.HasPrefix(u, "https://") }

// peerFiles are those by which this process asks other members. A process is one broker,
// and has one certificate: what is asked of a member comes from many places, most of
// which know nothing of that.
var peerFiles atomic.Pointer[TLSFiles]

func useTLS(f TLSFiles) {
	if f.Set() {
		peerFiles.Store(&f)
	}
}

// peersTLS is what a question to a member's URL goes by; nil: plain text.
func peersTLS(u string) (*tls.Config, error) {
	f := peerFiles.Load()
	if f == nil || !encrypts(u) {
		return nil, nil
	}
	return f.info().ClientConfig()
}

// clientTLS is how an outside etcd is reached; nil: in plain text. Without files an
// endpoint of https:// is trusted by the system's CAs.
func clientTLS(endpoints []string, files TLSFiles) (*tls.Config, error) {
	secure := slices.ContainsFunc(endpoints, encrypts)
	switch {
	case !secure && files.Set():
		return nil, fmt.Errorf("etcd %v: there are certificates, and it is not reached by https://", endpoints)
	case !secure:
		return nil, nil
	}
	return files.info().ClientConfig()
}
