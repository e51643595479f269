package authority

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"
)

// TestWhatIsSignedIsGoodForWhatItSays: a leaf with hosts for servers and clients, one
// without for clients alone; by an authority that was made and read back.
func TestWhatIsSignedIsGoodForWhatItSays(t *testing.T) {
	made, err := New("ca", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Load(made.Pair)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(made.Cert)
	for _, hosts := range [][]string{{"b1", "10.0.0.1"}, nil} {
		pair, err := a.Sign(Leaf{Name: "x", Hosts: hosts, Lasts: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tls.X509KeyPair(pair.Cert, pair.Key); err != nil {
			t.Error(err)
		}
		block, _ := pem.Decode(pair.Cert)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		good := func(u x509.ExtKeyUsage) bool {
			_, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{u}})
			return err == nil
		}
		if !good(x509.ExtKeyUsageClientAuth) || good(x509.ExtKeyUsageServerAuth) != (hosts != nil) {
			t.Errorf("%q: client %v, server %v", hosts, good(x509.ExtKeyUsageClientAuth), good(x509.ExtKeyUsageServerAuth))
		}
		for _, h := range hosts {
			if err := cert.VerifyHostname(h); err != nil {
				t.Error(err)
			}
		}
		if _, err := Load(pair); err == nil {
			t.Error("a leaf was taken for an authority")
		}
	}
}
