package security

import (
	"github.com/xdg-go/scram"
)

// Password is what a user and a password prove: as a user of PLAIN, or as one of SCRAM,
// in a conversation with ourselves. ok is false for a wrong one and for an unknown user alike.
func (m *Mechanisms) Password(user, password string) (proof Proof, ok bool) {
	if user == "" || password == "" {
		return Proof{}, false
	}
	if m.Users != nil && m.Users.matches(user, []byte(password)) {
		return Proof{User: user}, true
	}
	for _, mechanism := range []string{ScramSHA512, ScramSHA256} {
		if proof, ok = m.scramPassword(mechanism, user, password); ok {
			return proof, true
		}
	}
	return Proof{}, false
}

func (m *Mechanisms) scramPassword(mechanism, user, password string) (proof Proof, ok bool) {
	server, err := m.Begin(mechanism)
	if err != nil {
		return Proof{}, false
	}
	hash := scram.SHA256
	if mechanism == ScramSHA512 {
		hash = scram.SHA512
	}
	client, err := hash.NewClient(user, password, "")
	if err != nil {
		return Proof{}, false
	}
	said, conversation := "", client.NewConversation()
	for range 2 { // the client's first message, and its proof
		message, err := conversation.Step(said)
		if err != nil {
			return Proof{}, false
		}
		answer, err := server.Step([]byte(message))
		if err != nil {
			return Proof{}, false
		}
		said = string(answer)
	}
	return server.Proven()
}
