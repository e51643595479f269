package security

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"unicode/utf8"
)

// plainConversation is PLAIN (RFC 4616): [authzid] NUL authcid NUL password.
type plainConversation struct {
	users *UserFile
	user  string // "": not proven
}

const plainRefused = "Authentication failed: Invalid username or password"

func (c *plainConversation) Step(token []byte) ([]byte, error) {
	if !utf8.Valid(token) {
		return nil, &Failure{Reason: "PLAIN: the client's message is not UTF-8"}
	}
	parts := bytes.Split(token, []byte{0})
	if len(parts) != 3 {
		text := fmt.Sprintf("Invalid SASL/PLAIN response: expected 3 tokens, got %d", len(parts))
		return nil, &Failure{text, text}
	}
	as, user, password := string(parts[0]), string(parts[1]), parts[2]
	switch {
	case user == "":
		return nil, plainFailure("Authentication failed: username not specified")
	case len(password) == 0:
		return nil, plainFailure("Authentication failed: password not specified")
	case !c.users.matches(user, password):
		return nil, plainFailure(plainRefused)
	case as != "" && as != user:
		return nil, plainFailure("Authentication failed: Client requested an authorization id that is different from username")
	}
	c.user = user
	return []byte{}, nil
}

func plainFailure(text string) error { return &Failure{text, "PLAIN: " + text} }

func (c *plainConversation) Proven() (Proof, bool) { return Proof{User: c.user}, c.user != "" }

// matches compares in the same time whether or not there is such a user, and whatever
// the passwords have in common.
func (u *UserFile) matches(user string, password []byte) bool {
	want, known := u.passwords()[user]
	got := sha256.Sum256(password)
	same := subtle.ConstantTimeCompare(got[:], want[:]) == 1
	return known && same
}
