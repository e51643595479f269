package security

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/internal/authority"
)

// TestCertificatesAreReadAgainWhole: a certificate whose key is not there yet is not
// used, and the old pair stands; when both are there they are.
func TestCertificatesAreReadAgainWhole(t *testing.T) {
	ca, err := authority.New("ca", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	f := TLSFiles{Cert: filepath.Join(dir, "c.pem"), Key: filepath.Join(dir, "k.pem")}
	sign := func(name string) authority.Pair {
		p, err := ca.Sign(authority.Leaf{Name: name, Hosts: []string{"127.0.0.1"}, Lasts: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	write := func(path string, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first, second := sign("first"), sign("second")
	write(f.Cert, first.Cert)
	write(f.Key, first.Key)
	var log bytes.Buffer
	c, err := LoadCertificates(f, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	subject := func() string { return DistinguishedName(c.now.Load().leaf) }
	write(f.Cert, second.Cert)
	if err := c.reload(); err == nil || subject() != "CN=first" {
		t.Errorf("half a pair: %v, and %s serves", err, subject())
	}
	write(f.Key, second.Key)
	old := c.Server()
	if err := c.reload(); err != nil || subject() != "CN=second" || c.Server() == old {
		t.Errorf("the whole pair: %v, and %s serves", err, subject())
	}
	if err := c.reload(); err != nil || strings.Contains(log.String(), string(second.Key)) {
		t.Errorf("unchanged: %v", err)
	}
	if _, err := LoadCertificates(TLSFiles{Cert: f.Cert}, slog.Default()); err == nil {
		t.Error("a certificate without a key was taken")
	}
	if _, err := LoadCertificates(TLSFiles{Cert: f.Cert, Key: f.Key, ClientAuth: ClientAuthRequired}, slog.Default()); err == nil {
		t.Error("certificates are required of clients, and no CA may sign them")
	}
}

// TestDistinguishedNamesAreWrittenAsJavaWritesThem, whose form rules and ACLs are made for.
func TestDistinguishedNamesAreWrittenAsJavaWritesThem(t *testing.T) {
	value := func(oid, s string) pkix.AttributeTypeAndValue {
		var id asn1.ObjectIdentifier
		for part := range strings.SplitSeq(oid, ".") {
			n := 0
			for _, d := range part {
				n = 10*n + int(d-'0')
			}
			id = append(id, n)
		}
		return pkix.AttributeTypeAndValue{Type: id, Value: s}
	}
	raw, err := asn1.Marshal(pkix.RDNSequence{
		{value("2.5.4.6", "DE")}, {value("2.5.4.10", "Acme, Inc")}, {value("2.5.4.11", " a")},
		{value("2.5.4.3", "kafka+1"), value("0.9.2342.19200300.100.1.1", "#7")},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := DistinguishedName(&x509.Certificate{RawSubject: raw})
	if want := `CN=kafka\+1+UID=\#7,OU=\ a,O=Acme\, Inc,C=DE`; got != want && got != `UID=\#7+CN=kafka\+1,OU=\ a,O=Acme\, Inc,C=DE` {
		t.Errorf("got %s, want %s", got, want)
	}
	ca, err := authority.New("the ca", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(ca.Cert)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil || DistinguishedName(cert) != "CN=the ca" {
		t.Errorf("%s, %v", DistinguishedName(cert), err)
	}
}
