package broker

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/lockstep-log/lockstep/broker/security"
)

// withSASL has a broker take every mechanism, with plain's users alice and bob.
func withSASL(t *testing.T, l Listener, log *heard) func(*Config) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, []byte("alice:alice's\nbob:bob's\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.Mechanisms = security.KnownMechanisms
	add := withListener(l, log)
	return func(c *Config) {
		c.UserFile, c.Tokens = path, security.TokenOptions{Unsecured: true}
		add(c)
	}
}

// addUser sets a user's password for SCRAM, as an administrator does.
func addUser(t *testing.T, cl *kgo.Client, user, password string) {
	t.Helper()
	for _, m := range []kadm.ScramMechanism{kadm.ScramSha256, kadm.ScramSha512} {
		got, err := kadm.NewClient(cl).AlterUserSCRAMs(t.Context(), nil, []kadm.UpsertSCRAM{{User: user, Mechanism: m, Iterations: 4096, Password: password}})
		if err == nil {
			err = got.Error()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// token is an unsigned one.
func token(sub string, lasts time.Duration) string {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return part(`{"alg":"none"}`) + "." + part(fmt.Sprintf(`{"sub":%q,"exp":%d}`, sub, time.Now().Add(lasts).Unix())) + "."
}

func TestClientsAuthenticateByEachMechanism(t *testing.T) {
	p := newPKI(t)
	for _, protocol := range []security.Protocol{security.SASLPlaintext, security.SASLTLS} {
		t.Run(protocol.String(), func(t *testing.T) {
			s, admin := startServer(t, withSASL(t, Listener{Name: "SECURE", Protocol: protocol, TLS: p.files}, &heard{}))
			addUser(t, admin, "carol", "carol's")
			opts := []kgo.Opt{kgo.SeedBrokers(s.Addr("SECURE"))}
			if protocol.Encrypts() {
				opts = append(opts, kgo.DialTLSConfig(p.client()))
			}
			with := func(m sasl.Mechanism) []kgo.Opt { return append(slices.Clip(opts), kgo.SASL(m)) }
			works(t, with(plain.Auth{User: "alice", Pass: "alice's"}.AsMechanism())...)
			works(t, with(scram.Auth{User: "carol", Pass: "carol's"}.AsSha256Mechanism())...)
			works(t, with(scram.Auth{User: "carol", Pass: "carol's"}.AsSha512Mechanism())...)
			works(t, with(oauth.Auth{Token: token("dave", time.Hour)}.AsMechanism())...)

			fails(t, "nothing", opts...)
			fails(t, "wrong password", with(plain.Auth{User: "alice", Pass: "bob's"}.AsMechanism())...)
			fails(t, "wrong password", with(scram.Auth{User: "carol", Pass: "x"}.AsSha512Mechanism())...)
			fails(t, "unknown user", with(scram.Auth{User: "nobody", Pass: "x"}.AsSha256Mechanism())...)
			fails(t, "expired token", with(oauth.Auth{Token: token("dave", -time.Hour)}.AsMechanism())...)
		})
	}
}

// said is the outcome of one request before authentication: its error code, or -1 where
// the connection was closed.
func (w *wire) said(v int16, req kmsg.Request) (resp kmsg.Response, closed bool) {
	w.t.Helper()
	req.SetVersion(v)
	w.id++
	w.nc.SetDeadline(time.Now().Add(wireTimeout))
	w.nc.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("wire")).AppendRequest(nil, req, w.id))
	body, err := w.frame()
	if err != nil {
		return nil, true
	}
	body = body[4:]
	if req.IsFlexible() && req.Key() != int16(kmsg.ApiVersions) {
		body = body[1:]
	}
	resp = req.ResponseKind()
	if err := resp.ReadFrom(body); err != nil {
		w.t.Fatal(err)
	}
	return resp, false
}

func (w *wire) frame() ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(w.nc, length[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(length[:]))
	_, err := io.ReadFull(w.nc, b)
	return b, err
}

func (w *wire) closed(what string) {
	w.t.Helper()
	w.nc.SetDeadline(time.Now().Add(wireTimeout))
	if _, err := w.frame(); !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && err == nil {
		w.t.Errorf("%s: the connection is not closed: %v", what, err)
	}
}

func shakeRequest(mechanism string) kmsg.Request {
	r := kmsg.NewPtrSASLHandshakeRequest()
	r.Mechanism = mechanism
	return r
}

func proofRequest(token string) kmsg.Request {
	r := kmsg.NewPtrSASLAuthenticateRequest()
	r.SASLAuthBytes = []byte(token)
	return r
}

// TestBeforeAuthenticationOnlyWhatServesItIsTaken: the table of what Apache Kafka 4.3.1
// answers, and closes.
func TestBeforeAuthenticationOnlyWhatServesItIsTaken(t *testing.T) {
	s, _ := startServer(t, withSASL(t, Listener{Name: "SASL", Protocol: security.SASLPlaintext}, &heard{}))
	type step struct {
		version int16
		req     kmsg.Request
		code    int16 // closedCode: the connection is closed
	}
	const closedCode = -99
	versions := func(v, code int16) step { return step{v, kmsg.NewPtrApiVersionsRequest(), code} }
	illegal := kerr.IllegalSaslState.Code
	for what, steps := range map[string][]step{
		"versions twice":               {versions(2, 0), versions(2, closedCode)},
		"metadata first":               {{1, kmsg.NewPtrMetadataRequest(), closedCode}},
		"metadata after versions":      {versions(0, 0), {1, kmsg.NewPtrMetadataRequest(), closedCode}},
		"a proof first":                {{1, proofRequest("\x00alice\x00alice's"), closedCode}},
		"an unknown mechanism":         {versions(0, 0), {1, shakeRequest("GSSAPI"), kerr.UnsupportedSaslMechanism.Code}},
		"a mechanism in lower case":    {{0, shakeRequest("plain"), kerr.UnsupportedSaslMechanism.Code}},
		"versions after the handshake": {{1, shakeRequest("PLAIN"), 0}, versions(0, illegal)},
		"a second handshake":           {{1, shakeRequest("PLAIN"), 0}, {1, shakeRequest("PLAIN"), illegal}},
		"metadata after the handshake": {{1, shakeRequest("PLAIN"), 0}, {1, kmsg.NewPtrMetadataRequest(), closedCode}},
		"a wrong password":             {{1, shakeRequest("PLAIN"), 0}, {2, proofRequest("\x00alice\x00x"), kerr.SaslAuthenticationFailed.Code}},
		"a proof by request after v0":  {{0, shakeRequest("PLAIN"), 0}, {1, proofRequest("\x00alice\x00alice's"), closedCode}},
	} {
		w := dial(t, s.Addr("SASL"))
		for i, st := range steps {
			resp, closed := w.said(st.version, st.req)
			code := int16(closedCode)
			switch r := resp.(type) {
			case *kmsg.ApiVersionsResponse:
				code = r.ErrorCode
			case *kmsg.SASLHandshakeResponse:
				code = r.ErrorCode
			case *kmsg.SASLAuthenticateResponse:
				code = r.ErrorCode
			}
			if closed != (st.code == closedCode) || code != st.code {
				t.Errorf("%s, step %d: code %d, want %d", what, i, code, st.code)
			}
		}
		w.closed(what)
	}
}

func TestAConnectionThatIsProvenGoesOn(t *testing.T) {
	s, _ := startServer(t, withSASL(t, Listener{Name: "SASL", Protocol: security.SASLPlaintext}, &heard{}))
	w := dial(t, s.Addr("SASL"))
	shaken := ask[*kmsg.SASLHandshakeResponse](w, 1, shakeRequest("PLAIN"))
	if shaken.ErrorCode != 0 || !slices.Equal(shaken.SupportedMechanisms, security.KnownMechanisms) {
		t.Fatalf("%+v", shaken)
	}
	if r := ask[*kmsg.SASLAuthenticateResponse](w, 2, proofRequest("\x00alice\x00alice's")); r.ErrorCode != 0 || r.SessionLifetimeMillis != 0 || text(r.ErrorMessage) != "" {
		t.Fatalf("%+v", r)
	}
	// Without re-authentication both are refused, and the connection stays.
	if r := ask[*kmsg.SASLHandshakeResponse](w, 1, shakeRequest("PLAIN")); r.ErrorCode != kerr.IllegalSaslState.Code {
		t.Errorf("a handshake afterwards: %d", r.ErrorCode)
	}
	if r := ask[*kmsg.SASLAuthenticateResponse](w, 0, proofRequest("x")); r.ErrorCode != kerr.IllegalSaslState.Code {
		t.Errorf("a proof afterwards: %d", r.ErrorCode)
	}
	w.createTopic("a", 1)

	// The first clients with SASL send their tokens without a header.
	raw := dial(t, s.Addr("SASL"))
	ask[*kmsg.SASLHandshakeResponse](raw, 0, shakeRequest("PLAIN"))
	send := func(token string) {
		raw.nc.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(token))), token...))
	}
	send("\x00bob\x00bob's")
	if b, err := raw.frame(); err != nil || len(b) != 0 {
		t.Fatalf("a raw token: %q, %v", b, err)
	}
	raw.createTopic("b", 1)
	raw = dial(t, s.Addr("SASL"))
	ask[*kmsg.SASLHandshakeResponse](raw, 0, shakeRequest("PLAIN"))
	send("\x00bob\x00wrong")
	raw.closed("a wrong raw token")
}

// TestASessionEndsUnlessItIsProvenAgain (KIP-368).
func TestASessionEndsUnlessItIsProvenAgain(t *testing.T) {
	s, _ := startServer(t, withSASL(t, Listener{Name: "SASL", Protocol: security.SASLPlaintext}, &heard{}), func(c *Config) { c.ReauthMax = time.Hour })
	prove := func(w *wire, mechanism, token string) *kmsg.SASLAuthenticateResponse {
		ask[*kmsg.SASLHandshakeResponse](w, 1, shakeRequest(mechanism))
		return ask[*kmsg.SASLAuthenticateResponse](w, 1, proofRequest(token))
	}
	w := dial(t, s.Addr("SASL"))
	if r := prove(w, "PLAIN", "\x00alice\x00alice's"); r.ErrorCode != 0 || r.SessionLifetimeMillis < 3_500_000 || r.SessionLifetimeMillis > 3_600_000 {
		t.Fatalf("%+v", r)
	}
	w.createTopic("a", 1)
	if r := prove(w, "PLAIN", "\x00alice\x00alice's"); r.ErrorCode != 0 {
		t.Fatalf("again: %+v", r)
	}
	w.createTopic("b", 1)
	r := prove(w, "PLAIN", "\x00bob\x00bob's")
	if r.ErrorCode != kerr.SaslAuthenticationFailed.Code || text(r.ErrorMessage) != "Cannot change principals during re-authentication from User:alice: User:bob" {
		t.Errorf("as another: %+v", r)
	}
	w.closed("as another")

	w = dial(t, s.Addr("SASL"))
	bearer := func(lasts time.Duration) string { return "n,,\x01auth=Bearer " + token("dave", lasts) + "\x01\x01" }
	if r := prove(w, "OAUTHBEARER", bearer(2*time.Second)); r.ErrorCode != 0 || r.SessionLifetimeMillis > 2000 {
		t.Fatalf("%+v", r)
	}
	time.Sleep(2100 * time.Millisecond) // past the token's end
	if _, closed := w.said(1, kmsg.NewPtrMetadataRequest()); !closed {
		t.Error("a session outlived its token")
	}
}

// TestScramCredentialsAreSetInKafkasWords: Apache Kafka 4.3.1's answers.
func TestScramCredentialsAreSetInKafkasWords(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	up := func(user string, mechanism int8, iterations int32) kmsg.AlterUserSCRAMCredentialsRequestUpsertion {
		u := kmsg.NewAlterUserSCRAMCredentialsRequestUpsertion()
		u.Name, u.Mechanism, u.Iterations, u.Salt, u.SaltedPassword = user, mechanism, iterations, []byte("salt"), []byte("salted")
		return u
	}
	down := func(user string, mechanism int8) kmsg.AlterUserSCRAMCredentialsRequestDeletion {
		return kmsg.AlterUserSCRAMCredentialsRequestDeletion{Name: user, Mechanism: mechanism}
	}
	req := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	req.Upsertions = []kmsg.AlterUserSCRAMCredentialsRequestUpsertion{
		up("a", 1, 4096), up("few", 1, 4095), up("many", 2, 16385), up("what", 3, 4096), up("", 1, 4096), up("twice", 1, 4096), up("twice", 2, 4096),
	}
	req.Deletions = []kmsg.AlterUserSCRAMCredentialsRequestDeletion{down("gone", 1)}
	want := map[string]*kerr.Error{"few": kerr.UnacceptableCredential, "many": kerr.UnacceptableCredential, "what": kerr.UnsupportedSaslMechanism,
		"": kerr.UnacceptableCredential, "twice": kerr.DuplicateResource, "gone": kerr.ResourceNotFound}
	results := ask[*kmsg.AlterUserSCRAMCredentialsResponse](w, 0, req).Results
	if len(results) != 7 {
		t.Errorf("%d results", len(results))
	}
	for _, r := range results {
		if e := want[r.User]; e == nil && r.ErrorCode != 0 || e != nil && r.ErrorCode != e.Code {
			t.Errorf("%q: %d %s", r.User, r.ErrorCode, text(r.ErrorMessage))
		}
	}
	describe := kmsg.NewPtrDescribeUserSCRAMCredentialsRequest()
	all := ask[*kmsg.DescribeUserSCRAMCredentialsResponse](w, 0, describe).Results
	if len(all) != 1 || all[0].User != "a" || len(all[0].CredentialInfos) != 1 || all[0].CredentialInfos[0].Iterations != 4096 {
		t.Errorf("%+v", all)
	}
	for _, name := range []string{"a", "b", "c", "c"} {
		describe.Users = append(describe.Users, kmsg.DescribeUserSCRAMCredentialsRequestUser{Name: name})
	}
	var codes []int16
	for _, r := range ask[*kmsg.DescribeUserSCRAMCredentialsResponse](w, 0, describe).Results {
		codes = append(codes, r.ErrorCode)
	}
	if !slices.Equal(codes, []int16{0, kerr.ResourceNotFound.Code, kerr.DuplicateResource.Code}) {
		t.Errorf("described: %v", codes)
	}
	req = kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	req.Deletions = []kmsg.AlterUserSCRAMCredentialsRequestDeletion{down("a", 1)}
	if r := ask[*kmsg.AlterUserSCRAMCredentialsResponse](w, 0, req).Results[0]; r.ErrorCode != 0 || s.cluster.Image().UserCount() != 0 {
		t.Errorf("deleted: %+v", r)
	}
}

// TestBrokersAuthenticateToEachOther by SCRAM over TLS, and not by a wrong password.
func TestBrokersAuthenticateToEachOther(t *testing.T) {
	p := newPKI(t)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("brokers'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(users, []byte("broker:brokers'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ps := startPeers(t, 2, func(c *Config) {
		c.Listeners[0] = Listener{Name: "PLAINTEXT", Addr: "127.0.0.1:0", Protocol: security.SASLTLS, TLS: p.files,
			Mechanisms: []string{security.Plain}}
		c.UserFile, c.PeerUser = users, PeerUser{security.Plain, "broker", password}
		c.AutoCreateTopics = true
		c.Logger = slog.New(slog.DiscardHandler)
	})
	works(t, kgo.SeedBrokers(ps.all[1].Addr("")), kgo.DialTLSConfig(p.client()),
		kgo.SASL(plain.Plain(func(context.Context) (plain.Auth, error) { return plain.Auth{User: "broker", Pass: "brokers'"}, nil })))
}
