package broker

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/broker/security"
	"github.com/lockstep-log/lockstep/internal/authority"
)

// pki is a CA with the files of one certificate of it.
type pki struct {
	t     *testing.T
	ca    *authority.Authority
	files security.TLSFiles
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	ca, err := authority.New("test ca", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p := &pki{t, ca, security.TLSFiles{
		Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), ClientCA: filepath.Join(dir, "ca.pem"),
	}}
	p.write(p.files.ClientCA, ca.Cert)
	p.renew("broker")
	return p
}

func (p *pki) write(path string, b []byte) {
	p.t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// renew replaces the broker's certificate.
func (p *pki) renew(name string) {
	pair := p.sign(authority.Leaf{Name: name, Hosts: []string{"127.0.0.1", "localhost"}, Lasts: time.Hour})
	p.write(p.files.Key, pair.Key)
	p.write(p.files.Cert, pair.Cert)
}

func (p *pki) sign(l authority.Leaf) authority.Pair {
	p.t.Helper()
	pair, err := p.ca.Sign(l)
	if err != nil {
		p.t.Fatal(err)
	}
	return pair
}

// client is the TLS of a client that trusts the CA, and shows a certificate if it has one.
func (p *pki) client(pairs ...authority.Pair) *tls.Config {
	p.t.Helper()
	cfg := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "127.0.0.1"}
	cfg.RootCAs.AppendCertsFromPEM(p.ca.Cert)
	for _, pair := range pairs {
		cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
		if err != nil {
			p.t.Fatal(err)
		}
		cfg.Certificates = append(cfg.Certificates, cert)
	}
	return cfg
}

// heard is a log that is read while it is written.
type heard struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (h *heard) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.b.Write(b)
}

func (h *heard) awaits(t *testing.T, text string) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		h.mu.Lock()
		said := h.b.String()
		h.mu.Unlock()
		if strings.Contains(said, text) {
			return
		}
		if time.Since(began) > wireTimeout {
			t.Fatalf("the log does not say %q:\n%s", text, said)
		}
	}
}

// withListener has a broker listen on one more address, and its log heard.
func withListener(l Listener, log *heard) func(*Config) {
	return func(c *Config) {
		l.Addr = "127.0.0.1:0"
		c.Listeners = append(c.Listeners, l)
		if log != nil {
			c.Logger = slog.New(slog.NewTextHandler(log, nil))
		}
	}
}

func newClient(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.RetryTimeout(time.Second), kgo.DialTimeout(5 * time.Second)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// works has a client write records of a megabyte, so that a fetch is sent from a file,
// and read them back.
func works(t *testing.T, opts ...kgo.Opt) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), wireTimeout)
	defer cancel()
	topic := fmt.Sprintf("t-%d", time.Now().UnixNano())
	cl := newClient(t, append(opts, kgo.ConsumeTopics(topic), kgo.AllowAutoTopicCreation(), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(1<<20), kgo.UnknownTopicRetries(10))...)
	value := bytes.Repeat([]byte("lockstep"), 100<<10/8)
	var sent []*kgo.Record
	for i := range 12 {
		sent = append(sent, &kgo.Record{Topic: topic, Value: append([]byte{byte(i)}, value...)})
	}
	if err := cl.ProduceSync(ctx, sent...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for got := 0; got < len(sent); {
		fs := cl.PollFetches(ctx)
		if err := fs.Err0(); err != nil {
			t.Fatal(err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			if !bytes.Equal(r.Value, sent[got].Value) {
				t.Errorf("record %d is another", got)
			}
			got++
		})
	}
}

// fails wants a client not to be served.
func fails(t *testing.T, what string, opts ...kgo.Opt) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := newClient(t, opts...).Ping(ctx); err == nil {
		t.Errorf("%s: the client is served", what)
	}
}

func TestClientsSpeakTLS(t *testing.T) {
	p, log := newPKI(t), &heard{}
	s, _ := startServer(t, withListener(Listener{Name: "TLS", Protocol: security.TLS, TLS: p.files}, log))
	at := kgo.SeedBrokers(s.Addr("TLS"))
	works(t, at, kgo.DialTLSConfig(p.client()))

	fails(t, "another CA", at, kgo.DialTLSConfig(newPKI(t).client()))
	log.awaits(t, "does it trust this broker's certificate?")
	fails(t, "plain text to TLS", at)
	log.awaits(t, `the client speaks plain text, and listener \"TLS\" is TLS`)
	fails(t, "TLS to plain text", kgo.SeedBrokers(s.Addr("PLAINTEXT")), kgo.DialTLSConfig(p.client()))
	log.awaits(t, `the client speaks TLS, and listener \"PLAINTEXT\" is plain text`)
	old := p.client()
	old.MaxVersion = tls.VersionTLS11
	fails(t, "TLS 1.1", at, kgo.DialTLSConfig(old))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		cfg := p.client()
		cfg.MinVersion, cfg.MaxVersion = version, version
		nc, err := tls.Dial("tcp", s.Addr("TLS"), cfg)
		if err != nil {
			t.Fatal(err)
		}
		nc.Close()
	}
}

func TestClientsProveWhoTheyAreByTheirCertificates(t *testing.T) {
	p := newPKI(t)
	files := p.files
	files.ClientAuth = security.ClientAuthRequired
	rules, err := security.ParseMappingRules("RULE:^CN=(u-[a-z]+)$/$1/")
	if err != nil {
		t.Fatal(err)
	}
	log := &heard{}
	s, _ := startServer(t, withListener(Listener{Name: "MTLS", Protocol: security.TLS, TLS: files}, log), func(c *Config) { c.PrincipalMapping = rules })
	at := kgo.SeedBrokers(s.Addr("MTLS"))
	signed := func(l authority.Leaf) kgo.Opt { return kgo.DialTLSConfig(p.client(p.sign(l))) }
	works(t, at, signed(authority.Leaf{Name: "u-alice", Lasts: time.Hour}))

	fails(t, "no certificate", at, kgo.DialTLSConfig(p.client()))
	fails(t, "a certificate that has expired", at, signed(authority.Leaf{Name: "u-alice", Begins: time.Now().Add(-2 * time.Hour), Lasts: time.Hour}))
	foreign := p.client()
	foreign.Certificates = newPKI(t).client(newPKI(t).sign(authority.Leaf{Name: "u-alice", Lasts: time.Hour})).Certificates
	fails(t, "a certificate of another CA", at, kgo.DialTLSConfig(foreign))
	fails(t, "a name that no rule fits", at, signed(authority.Leaf{Name: "stranger", Lasts: time.Hour}))
	log.awaits(t, "no principal mapping rule fits")
}

// TestCertificatesAreReplacedUnderLoad: new connections see the new certificate, and
// those that stand are not disturbed.
func TestCertificatesAreReplacedUnderLoad(t *testing.T) {
	p := newPKI(t)
	s, _ := startServer(t, withListener(Listener{Name: "TLS", Protocol: security.TLS, TLS: p.files}, nil))
	standing, err := tls.Dial("tcp", s.Addr("TLS"), p.client())
	if err != nil {
		t.Fatal(err)
	}
	defer standing.Close()
	w := &wire{t: t, nc: standing}
	name := func() string {
		nc, err := tls.Dial("tcp", s.Addr("TLS"), p.client())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		return nc.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if got := name(); got != "broker" {
		t.Fatalf("the certificate is of %s", got)
	}
	p.renew("renewed")
	for began := time.Now(); name() != "renewed"; time.Sleep(20 * time.Millisecond) {
		w.createTopic(fmt.Sprintf("t-%d", time.Now().UnixNano()), 1)
		if time.Since(began) > wireTimeout {
			t.Fatal("the new certificate is not served")
		}
	}
	w.createTopic("after", 1)
}

// TestBrokersReplicateOverMutualTLS, each with a certificate of its own.
func TestBrokersReplicateOverMutualTLS(t *testing.T) {
	p := newPKI(t)
	files := p.files
	files.ClientAuth = security.ClientAuthRequired
	ps := startPeers(t, 3, func(c *Config) {
		c.Listeners[0].Protocol, c.Listeners[0].TLS = security.TLS, files
		c.AutoCreateTopics = true
	})
	works(t, kgo.SeedBrokers(ps.all[1].Addr("")), kgo.DialTLSConfig(p.client(p.sign(authority.Leaf{Name: "c", Lasts: time.Hour}))))
}

// TestAClientThatLeavesWithoutAHandshakeCountsNoMore.
func TestAClientThatLeavesWithoutAHandshakeCountsNoMore(t *testing.T) {
	p := newPKI(t)
	s, _ := startServer(t, withListener(Listener{Name: "TLS", Protocol: security.TLS, TLS: p.files}, nil))
	before := s.sockets.Connections()
	nc, err := net.Dial("tcp", s.Addr("TLS"))
	if err != nil {
		t.Fatal(err)
	}
	nc.Close() // without a handshake
	for began := time.Now(); s.sockets.Connections() > before; time.Sleep(time.Millisecond) {
		if time.Since(began) > wireTimeout {
			t.Fatal("the connection is still counted")
		}
	}
}
