package security

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// issuer is an identity provider's keys over HTTP, and a maker of tokens.
type issuer struct {
	t     *testing.T
	keys  atomic.Pointer[jose.JSONWebKeySet]
	asked atomic.Int32
	down  atomic.Bool
	url   string
	now   time.Time
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{t: t, now: time.Now()}
	i.keys.Store(&jose.JSONWebKeySet{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i.asked.Add(1)
		if i.down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		json.NewEncoder(w).Encode(i.keys.Load())
	}))
	t.Cleanup(srv.Close)
	i.url = srv.URL
	return i
}

// newKey makes a key and publishes it in place of the others.
func (i *issuer) newKey(id string) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.t.Fatal(err)
	}
	i.keys.Store(&jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: k.Public(), KeyID: id, Algorithm: "ES256", Use: "sig"}}})
	return k
}

func (i *issuer) token(k any, alg jose.SignatureAlgorithm, id string, claims map[string]any) string {
	i.t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: k, KeyID: id}}, nil)
	if err != nil {
		i.t.Fatal(err)
	}
	text, err := jwt.Signed(s).Claims(claims).Serialize()
	if err != nil {
		i.t.Fatal(err)
	}
	return text
}

func (i *issuer) verifier(o TokenOptions) *TokenVerifier {
	o.JWKSURL, o.Issuer, o.now = i.url, "https://id.example", func() time.Time { return i.now }
	v, err := NewTokenVerifier(o)
	if err != nil {
		i.t.Fatal(err)
	}
	return v
}

// TestATokenIsTakenOnlyIfAllOfItIsRight changes one thing at a time.
func TestATokenIsTakenOnlyIfAllOfItIsRight(t *testing.T) {
	i := newIssuer(t)
	k := i.newKey("one")
	v := i.verifier(TokenOptions{Audience: []string{"kafka"}})
	claims := func(change func(map[string]any)) map[string]any {
		c := map[string]any{"iss": "https://id.example", "sub": "alice", "aud": []string{"x", "kafka"}, "exp": i.now.Add(time.Minute).Unix()}
		change(c)
		return c
	}
	good := i.token(k, jose.ES256, "one", claims(func(map[string]any) {}))
	if p, err := v.Verify(good); err != nil || p.User != "alice" || p.Expires.Unix() != i.now.Add(time.Minute).Unix() {
		t.Fatalf("%+v, %v", p, err)
	}
	for what, change := range map[string]func(map[string]any){
		"another issuer":       func(c map[string]any) { c["iss"] = "https://evil.example" },
		"no issuer":            func(c map[string]any) { delete(c, "iss") },
		"another audience":     func(c map[string]any) { c["aud"] = "y" },
		"no audience":          func(c map[string]any) { delete(c, "aud") },
		"expired":              func(c map[string]any) { c["exp"] = i.now.Add(-time.Minute).Unix() },
		"no end":               func(c map[string]any) { delete(c, "exp") },
		"not yet":              func(c map[string]any) { c["nbf"] = i.now.Add(time.Minute).Unix() },
		"no subject":           func(c map[string]any) { delete(c, "sub") },
		"a subject of no text": func(c map[string]any) { c["sub"] = 7 },
		"an empty subject":     func(c map[string]any) { c["sub"] = "" },
	} {
		if p, err := v.Verify(i.token(k, jose.ES256, "one", claims(change))); err == nil {
			t.Errorf("%s: taken as %+v", what, p)
		}
	}
	within := claims(func(c map[string]any) { c["exp"] = i.now.Add(-20 * time.Second).Unix() })
	if _, err := v.Verify(i.token(k, jose.ES256, "one", within)); err != nil {
		t.Errorf("within the clocks' skew: %v", err)
	}
	other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	parts := strings.Split(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))
	for what, token := range map[string]string{
		"another's key by this one's id": i.token(other, jose.ES256, "one", claims(func(map[string]any) {})),
		"a shared key":                   i.token([]byte(strings.Repeat("k", 32)), jose.HS256, "one", claims(func(map[string]any) {})),
		"unsigned":                       none + "." + parts[1] + ".",
		"without its signature":          parts[0] + "." + parts[1] + ".",
		"nothing":                        "",
		"too long":                       strings.Repeat("a", tokenBytesMax+1),
	} {
		if p, err := v.Verify(token); err == nil {
			t.Errorf("%s: taken as %+v", what, p)
		}
	}
}

// TestKeysAreRotatedAndTheirPublisherIsNotFlooded: an unknown key has the keys fetched,
// but not more often than every so often, and while they cannot be the old ones stand.
func TestKeysAreRotatedAndTheirPublisherIsNotFlooded(t *testing.T) {
	i := newIssuer(t)
	claims := func() map[string]any {
		return map[string]any{"iss": "https://id.example", "email": "a@x", "exp": i.now.Add(time.Hour).Unix()}
	}
	v := i.verifier(TokenOptions{UserClaim: "email", Refresh: time.Minute})
	one := i.newKey("one")
	first := i.token(one, jose.ES256, "one", claims())
	if p, err := v.Verify(first); err != nil || p.User != "a@x" {
		t.Fatalf("%+v, %v", p, err)
	}
	two := i.newKey("two")
	second := i.token(two, jose.ES256, "two", claims())
	for range 100 {
		if _, err := v.Verify(second); err == nil {
			t.Fatal("the new key was fetched at once, and so would be every forged one")
		}
	}
	if n := i.asked.Load(); n != 1 {
		t.Errorf("a hundred unknown keys had the keys fetched %d times", n)
	}
	i.now = i.now.Add(keysPause + time.Second)
	if _, err := v.Verify(second); err != nil {
		t.Errorf("after a pause: %v", err)
	}
	if _, err := v.Verify(first); err == nil {
		t.Error("a key that was withdrawn is still taken")
	}
	i.down.Store(true)
	i.now = i.now.Add(2 * time.Minute)
	if _, err := v.Verify(i.token(two, jose.ES256, "two", claims())); err != nil || i.asked.Load() != 3 {
		t.Errorf("while the keys cannot be fetched: %v, after %d fetches", err, i.asked.Load())
	}
}

func TestABearersMessageIsTakenApart(t *testing.T) {
	for message, want := range map[string][2]string{
		"n,,\x01auth=Bearer abc\x01\x01":                   {"abc", ""},
		"n,a=bob=2Cx,\x01k=v\x01auth=bearer a.b.c\x01\x01": {"a.b.c", "bob,x"},
		"y,,\x01auth=Bearer t\x01traceId=1\x01\x01":        {"t", ""},
		"n,,\x01auth=Basic abc\x01\x01":                    {},
		"n,,\x01\x01":                                      {},
		"n,,\x01auth=Bearer abc\x01":                       {},
		"p=tls-unique,,\x01auth=Bearer abc\x01\x01":        {},
		"auth=Bearer abc\x01\x01":                          {},
		"":                                                 {},
		"\x01":                                             {},
	} {
		token, as, err := parseBearer([]byte(message))
		if got := [2]string{token, as}; got != want || (err != nil) != (want[0] == "") {
			t.Errorf("%q: got %q, %v", message, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "abc") {
			t.Errorf("%q: the error shows the token: %v", message, err)
		}
	}
}

// FuzzWhatComesBeforeAuthentication: no message of any mechanism has a broker panic, or
// proves anything.
func FuzzWhatComesBeforeAuthentication(f *testing.F) {
	users := NewScramUsers(func(string, string) (ScramCredential, bool) { return ScramCredential{}, false }, func() []byte { return nil })
	tokens, err := NewTokenVerifier(TokenOptions{JWKSURL: "file:///nonexistent", Issuer: "i"})
	if err != nil {
		f.Fatal(err)
	}
	nobody := &UserFile{}
	nobody.now.Store(&users0)
	m := Mechanisms{Users: nobody, Scram: users, Tokens: tokens}
	f.Add("n,,n=user,r=abc", "c=biws,r=abc,p=AAAA")
	f.Add("\x00user\x00password", "")
	f.Add("n,,\x01auth=Bearer a.b.c\x01\x01", "\x01")
	f.Fuzz(func(t *testing.T, first, second string) {
		for _, name := range KnownMechanisms {
			c, err := m.Begin(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, message := range []string{first, second} {
				if _, err := c.Step([]byte(message)); err != nil {
					break
				}
			}
			if p, ok := c.Proven(); ok {
				t.Fatalf("%s: %q and %q prove %+v", name, first, second, p)
			}
		}
	})
}

var users0 users
