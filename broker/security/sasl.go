package security

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// The mechanisms of SASL that are carried out.
const (
	Plain       = "PLAIN"
	ScramSHA256 = "SCRAM-SHA-256"
	ScramSHA512 = "SCRAM-SHA-512"
	OAuthBearer = "OAUTHBEARER"
)

// KnownMechanisms are all of them.
var KnownMechanisms = []string{ScramSHA512, ScramSHA256, Plain, OAuthBearer}

// Conversation is one authentication by one mechanism. It is of one goroutine.
type Conversation interface {
	// Step takes what the client sent and returns what to answer. A *Failure ends it.
	Step(token []byte) (answer []byte, err error)
	// Proven is what was proven, once it is.
	Proven() (Proof, bool)
}

// Proof is the outcome of a conversation.
type Proof struct {
	User    string
	Expires time.Time // of a token; zero: never
}

// Failure is why an authentication failed. Text is for the client, in Kafka's words, and
// tells nothing of whether a user exists; Reason is for the log, and holds no secret.
type Failure struct{ Text, Reason string }

// Error is the reason.
func (f *Failure) Error() string { return f.Reason }

// FailureText is what a client is told of why it was refused.
func FailureText(err error, mechanism string) string {
	var f *Failure
	if errors.As(err, &f) && f.Text != "" {
		return f.Text
	}
	return invalidCredentials(mechanism)
}

// invalidCredentials is what Kafka says of mechanisms that fail by an exception.
func invalidCredentials(mechanism string) string {
	return "Authentication failed during authentication due to invalid credentials with SASL mechanism " + mechanism
}

// Mechanisms are those that a broker has, and what they know users by.
type Mechanisms struct {
	Users  *UserFile      // for PLAIN
	Scram  *ScramUsers    // for SCRAM
	Tokens *TokenVerifier // for OAUTHBEARER
}

// Begin begins a conversation.
func (m *Mechanisms) Begin(mechanism string) (Conversation, error) {
	switch {
	case mechanism == Plain && m.Users != nil:
		return &plainConversation{users: m.Users}, nil
	case (mechanism == ScramSHA256 || mechanism == ScramSHA512) && m.Scram != nil:
		return newScramConversation(m.Scram, mechanism), nil
	case mechanism == OAuthBearer && m.Tokens != nil:
		return &tokenConversation{verifier: m.Tokens}, nil
	}
	return nil, fmt.Errorf("mechanism %s is not set up", mechanism)
}

// CheckMechanisms refuses names that are unknown.
func CheckMechanisms(names []string) error {
	for _, name := range names {
		if !slices.Contains(KnownMechanisms, name) {
			return fmt.Errorf("want some of %v, got %q", KnownMechanisms, name)
		}
	}
	return nil
}
