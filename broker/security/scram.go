package security

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"

	"github.com/xdg-go/scram"
)

// The bounds of iterations and the default are Kafka's. An unknown user is given the
// default, so that most users look like one.
const (
	ScramIterationsMin     = 4096
	ScramIterationsMax     = 16384
	ScramIterationsDefault = 4096
	scramSaltBytes         = 24
)

// ScramCredential is what a broker keeps of a password (RFC 5802). It does not tell
// the password, and is a secret all the same: with StoredKey and one conversation
// overheard somebody could pass for the user.
type ScramCredential struct {
	Salt       []byte
	StoredKey  []byte
	ServerKey  []byte
	Iterations int
}

// NewScramCredential makes a credential of a salted password, as clients send it that
// set one.
func NewScramCredential(mechanism string, salt, salted []byte, iterations int) (ScramCredential, error) {
	newHash, ok := map[string]func() hash.Hash{ScramSHA256: sha256.New, ScramSHA512: sha512.New}[mechanism]
	if !ok {
		return ScramCredential{}, fmt.Errorf("%q is no mechanism of SCRAM", mechanism)
	}
	mac := func(text string) []byte {
		m := hmac.New(newHash, salted)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	stored := newHash()
	stored.Write(mac("Client Key"))
	return ScramCredential{Salt: salt, StoredKey: stored.Sum(nil), ServerKey: mac("Server Key"), Iterations: iterations}, nil
}

// ScramUsers is where the credentials of SCRAM come from.
type ScramUsers struct {
	// Find returns the credential of a user.
	Find func(mechanism, user string) (ScramCredential, bool)
	// Secret is a secret of the cluster's, by which an unknown user gets a salt that is
	// the same each time and on each broker; nil: there is none, and it is this process's.
	Secret func() []byte

	own [32]byte
}

// NewScramUsers takes the credentials from find.
func NewScramUsers(find func(mechanism, user string) (ScramCredential, bool), secret func() []byte) *ScramUsers {
	u := &ScramUsers{Find: find, Secret: secret}
	rand.Read(u.own[:])
	return u
}

// credential is that of a user, or, so that nobody learns who is known, one that no
// password fits.
func (u *ScramUsers) credential(mechanism, user string) ScramCredential {
	if c, ok := u.Find(mechanism, user); ok {
		return c
	}
	secret := u.Secret()
	if len(secret) == 0 {
		secret = u.own[:]
	}
	m := hmac.New(sha512.New, secret)
	fmt.Fprintf(m, "%s\x00%s", mechanism, user)
	sum := m.Sum(nil)
	c := ScramCredential{Salt: sum[:scramSaltBytes], Iterations: ScramIterationsDefault}
	key := make([]byte, sha512.Size)
	rand.Read(key)
	if mechanism == ScramSHA256 {
		key = key[:sha256.Size]
	}
	c.StoredKey, c.ServerKey = key, key
	return c
}

// scramConversation is SCRAM (RFC 5802, RFC 7677; KIP-84).
type scramConversation struct {
	mechanism string
	server    *scram.ServerConversation
	user      string
}

func newScramConversation(u *ScramUsers, mechanism string) *scramConversation {
	c := &scramConversation{mechanism: mechanism}
	newHash := scram.SHA512
	if mechanism == ScramSHA256 {
		newHash = scram.SHA256
	}
	server, _ := newHash.NewServer(func(user string) (scram.StoredCredentials, error) { // it has no error
		found := u.credential(mechanism, user)
		return scram.StoredCredentials{
			KeyFactors: scram.KeyFactors{Salt: string(found.Salt), Iters: found.Iterations},
			StoredKey:  found.StoredKey, ServerKey: found.ServerKey,
		}, nil
	})
	c.server = server.NewConversation()
	return c
}

func (c *scramConversation) Step(token []byte) ([]byte, error) {
	answer, err := c.server.Step(string(token))
	if err != nil {
		return nil, &Failure{invalidCredentials(c.mechanism), c.mechanism + ": the proof is wrong or the message malformed"}
	}
	if as := c.server.AuthzID(); as != "" && as != c.server.Username() {
		text := "Authentication failed: Client requested an authorization id that is different from username"
		return nil, &Failure{text, c.mechanism + ": " + text}
	}
	if c.server.Valid() {
		c.user = c.server.Username()
	}
	return []byte(answer), nil
}

func (c *scramConversation) Proven() (Proof, bool) { return Proof{User: c.user}, c.server.Valid() }
