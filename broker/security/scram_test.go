package security

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

func mac512(key []byte, text string) []byte {
	m := hmac.New(sha512.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// TestAClientThatRepeatsItsNonceIsTaken as by Kafka up to 3.9: librdkafka up to 2.6.0 begins the
// nonce of its last message with its own part twice. Everything else must be right.
func TestAClientThatRepeatsItsNonceIsTaken(t *testing.T) {
	salt := []byte("salt of the user")
	salted, err := pbkdf2.Key(sha512.New, "secret", salt, ScramIterationsMin, sha512.Size)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := NewScramCredential(ScramSHA512, salt, salted, ScramIterationsMin)
	if err != nil {
		t.Fatal(err)
	}
	users := NewScramUsers(func(_, user string) (ScramCredential, bool) { return kept, user == "alice" },
		func() []byte { return []byte("of the cluster") })
	for _, c := range []struct {
		name, user, password string
		final                func(own, nonce string) string // c= and r= of the last message
		taken                bool
	}{
		{"as the RFC has it", "alice", "secret", func(_, n string) string { return "c=biws,r=" + n }, true},
		{"its own part twice", "alice", "secret", func(o, n string) string { return "c=biws,r=" + o + n }, true},
		{"twice, with a wrong password", "alice", "wrong", func(o, n string) string { return "c=biws,r=" + o + n }, false},
		{"twice, of nobody", "bob", "secret", func(o, n string) string { return "c=biws,r=" + o + n }, false},
		{"three times", "alice", "secret", func(o, n string) string { return "c=biws,r=" + o + o + n }, false},
		{"another's part", "alice", "secret", func(_, n string) string { return "c=biws,r=x" + n }, false},
		{"another channel", "alice", "secret", func(o, n string) string { return "c=eSws,r=" + o + n }, false},
		{"more behind it", "alice", "secret", func(o, n string) string { return "c=biws,r=" + o + n + ",x=y" }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			const own = "fyko-d2lbbFgONRv9qkxdawL"
			m := Mechanisms{Scram: users}
			conversation, err := m.Begin(ScramSHA512)
			if err != nil {
				t.Fatal(err)
			}
			bare := "n=" + c.user + ",r=" + own
			first, err := conversation.Step([]byte("n,," + bare))
			if err != nil {
				t.Fatal(err)
			}
			nonce, _, _ := strings.Cut(strings.TrimPrefix(string(first), "r="), ",")
			key, err := pbkdf2.Key(sha512.New, c.password, salt, ScramIterationsMin, sha512.Size)
			if err != nil {
				t.Fatal(err)
			}
			clientKey := mac512(key, "Client Key")
			stored := sha512.Sum512(clientKey)
			final := c.final(own, nonce)
			message := bare + "," + string(first) + "," + final
			proof := make([]byte, sha512.Size)
			subtle.XORBytes(proof, clientKey, mac512(stored[:], message))
			last := fmt.Sprintf("%s,p=%s", final, base64.StdEncoding.EncodeToString(proof))
			answer, err := conversation.Step([]byte(last))
			_, proven := conversation.Proven()
			if proven != c.taken || (err == nil) != c.taken {
				t.Fatalf("proven %v, %v", proven, err)
			}
			if want := "v=" + base64.StdEncoding.EncodeToString(mac512(mac512(key, "Server Key"), message)); c.taken && string(answer) != want {
				t.Errorf("the server proves %q, want %q", answer, want)
			}
			if _, err := conversation.Step([]byte(last)); err == nil {
				t.Error("a conversation that is over goes on")
			}
		})
	}
}
