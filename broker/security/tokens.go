package security

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// TokenOptions say which tokens of OAUTHBEARER are taken. The names beside are those of
// Kafka's settings.
type TokenOptions struct {
	JWKSURL   string        // sasl.oauthbearer.jwks.endpoint.url: the keys of whoever signs; http, https or file
	Issuer    string        // sasl.oauthbearer.expected.issuer; required
	Audience  []string      // sasl.oauthbearer.expected.audience: one of them must be the token's; none: it is not looked at
	UserClaim string        // sasl.oauthbearer.sub.claim.name; default sub
	ClockSkew time.Duration // sasl.oauthbearer.clock.skew.seconds; default 30 s
	Refresh   time.Duration // sasl.oauthbearer.jwks.endpoint.refresh.ms; default 1 h
	// Unsecured takes tokens that nobody has signed, which anybody can make: for tests.
	Unsecured bool

	now func() time.Time // a test's
}

func (o TokenOptions) withDefaults() TokenOptions {
	if o.UserClaim == "" {
		o.UserClaim = "sub"
	}
	if o.ClockSkew == 0 {
		o.ClockSkew = 30 * time.Second
	}
	if o.Refresh == 0 {
		o.Refresh = time.Hour
	}
	if o.now == nil {
		o.now = time.Now
	}
	return o
}

func (o TokenOptions) validate() error {
	if o.Unsecured {
		return nil
	}
	u, err := url.Parse(o.JWKSURL)
	switch {
	case o.JWKSURL == "":
		return errors.New("OAUTHBEARER needs the URL of the keys that tokens are signed with")
	case err != nil || u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "file":
		return fmt.Errorf("want the URL of keys, got %q", o.JWKSURL)
	case o.Issuer == "":
		return errors.New("OAUTHBEARER needs the issuer of tokens: keys of many tenants may stand at one URL")
	}
	return nil
}

// TokenVerifier checks tokens of OAUTHBEARER (KIP-255, KIP-768). Its methods may be
// called from any goroutine.
type TokenVerifier struct {
	o    TokenOptions
	keys *keySet // nil: unsecured
}

// NewTokenVerifier checks the options. The keys are fetched when they are needed first,
// so that a broker starts without whoever has them.
func NewTokenVerifier(o TokenOptions) (*TokenVerifier, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	v := &TokenVerifier{o: o}
	if !o.Unsecured {
		v.keys = newKeySet(o.JWKSURL, o.Refresh, o.now)
	}
	return v, nil
}

// algorithms are those that a token may be signed by. None is symmetric: who verifies
// must not be able to sign, and a public key must not be taken for a shared one.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// tokenBytesMax bounds a token, well above what identity providers make.
const tokenBytesMax = 64 << 10

// Verify returns what a token proves.
func (v *TokenVerifier) Verify(token string) (Proof, error) {
	if len(token) > tokenBytesMax {
		return Proof{}, fmt.Errorf("the token has %d bytes", len(token))
	}
	claims, all, err := v.claims(token)
	if err != nil {
		return Proof{}, err
	}
	expected := jwt.Expected{Issuer: v.o.Issuer, AnyAudience: v.o.Audience, Time: v.o.now()}
	if err := claims.ValidateWithLeeway(expected, v.o.ClockSkew); err != nil {
		return Proof{}, err
	}
	if claims.Expiry == nil {
		return Proof{}, errors.New("the token never expires")
	}
	user, ok := all[v.o.UserClaim].(string)
	if !ok || user == "" {
		return Proof{}, fmt.Errorf("the token has no claim %q, or it is no text", v.o.UserClaim)
	}
	return Proof{User: user, Expires: claims.Expiry.Time()}, nil
}

// claims are those of a token whose signature is right.
func (v *TokenVerifier) claims(token string) (claims jwt.Claims, all map[string]any, err error) {
	if v.o.Unsecured {
		return unsecuredClaims(token)
	}
	signed, err := jwt.ParseSigned(token, algorithms)
	if err != nil {
		return claims, nil, errors.New("it is no signed token, or signed by an algorithm that is not taken")
	}
	keys, err := v.keys.find(signed.Headers[0].KeyID)
	if err != nil {
		return claims, nil, err
	}
	err = errors.New("no key fits the token")
	for _, key := range keys {
		if err = signed.Claims(key, &claims, &all); err == nil {
			return claims, all, nil
		}
	}
	return claims, nil, fmt.Errorf("the token's signature: %w", err)
}

// unsecuredClaims reads an unsecured JWS (RFC 7515, appendix A.5).
func unsecuredClaims(token string) (claims jwt.Claims, all map[string]any, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || parts[2] != "" {
		return claims, nil, errors.New("want an unsecured token: header, claims and nothing")
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	if err := decodePart(parts[0], &header); err != nil || header.Algorithm != "none" {
		return claims, nil, errors.New("want an unsecured token, of the algorithm none")
	}
	if err := errors.Join(decodePart(parts[1], &claims), decodePart(parts[1], &all)); err != nil {
		return claims, nil, errors.New("the token's claims cannot be read")
	}
	return claims, all, nil
}

func decodePart(s string, to any) error {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		return err
	}
	return json.Unmarshal(b, to)
}
