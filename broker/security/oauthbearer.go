package security

import (
	"bytes"
	"fmt"
	"strings"
)

// tokenConversation is OAUTHBEARER (RFC 7628). A token that is refused is answered by
// a text, and the failure comes with the client's answer to that.
type tokenConversation struct {
	verifier *TokenVerifier
	proof    Proof
	proven   bool
	refused  error // the token was, and the client has been told
}

// tokenRefused is what a client is told of a bad token, first and last.
const tokenRefused = `{"status":"invalid_token"}`

func (c *tokenConversation) Step(message []byte) ([]byte, error) {
	if c.refused != nil {
		return nil, &Failure{tokenRefused, "OAUTHBEARER: " + c.refused.Error()}
	}
	token, as, err := parseBearer(message)
	if err != nil {
		return nil, &Failure{invalidCredentials(OAuthBearer), "OAUTHBEARER: " + err.Error()}
	}
	if c.proof, err = c.verifier.Verify(token); err != nil {
		c.refused = err
		return []byte(tokenRefused), nil
	}
	if as != "" && as != c.proof.User {
		text := "Authentication failed: Client requested an authorization id that is different from username"
		return nil, &Failure{text, "OAUTHBEARER: " + text}
	}
	c.proven = true
	return []byte{}, nil
}

func (c *tokenConversation) Proven() (Proof, bool) { return c.proof, c.proven }

// parseBearer takes a client's first message apart:
//
//	n,[a=AUTHZID],^A key=value ^A … ^A ^A
//
// of which the pair auth=Bearer TOKEN is wanted. No error holds what was sent.
func parseBearer(b []byte) (token, as string, err error) {
	header, rest, ok := bytes.Cut(b, []byte{1})
	flag, name, two := strings.Cut(string(header), ",")
	if !ok || !two || flag != "n" && flag != "y" || !strings.HasSuffix(name, ",") {
		return "", "", fmt.Errorf("the client's first message has no header of GS2")
	}
	if name = strings.TrimSuffix(name, ","); name != "" {
		if as, ok = strings.CutPrefix(name, "a="); !ok {
			return "", "", fmt.Errorf("the client's first message has a malformed header of GS2")
		}
		as = strings.NewReplacer("=2C", ",", "=3D", "=").Replace(as)
	}
	body, ok := bytes.CutSuffix(rest, []byte{1, 1})
	if !ok {
		return "", "", fmt.Errorf("the client's first message does not end as it should")
	}
	for pair := range bytes.SplitSeq(body, []byte{1}) {
		key, value, ok := strings.Cut(string(pair), "=")
		if ok && key == "auth" {
			scheme, credentials, _ := strings.Cut(value, " ")
			if !strings.EqualFold(scheme, "bearer") || credentials == "" {
				return "", "", fmt.Errorf("the client's first message has no bearer token")
			}
			token = credentials
		}
	}
	if token == "" {
		return "", "", fmt.Errorf("the client's first message has no token")
	}
	return token, as, nil
}
