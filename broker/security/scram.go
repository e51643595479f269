package security

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strings"

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
	newHash   func() hash.Hash
	server    *scram.ServerConversation
	user      string
	valid     bool
	done      bool // the client's last message has come

	credential  ScramCredential // that the user was found to have
	clientFirst string
	serverFirst string // "" before the client's first message
}

func newScramConversation(u *ScramUsers, mechanism string) *scramConversation {
	c := &scramConversation{mechanism: mechanism, newHash: sha512.New}
	newHash := scram.SHA512
	if mechanism == ScramSHA256 {
		newHash, c.newHash = scram.SHA256, sha256.New
	}
	server, _ := newHash.NewServer(func(user string) (scram.StoredCredentials, error) { // it has no error
		c.credential = u.credential(mechanism, user)
		return scram.StoredCredentials{
			KeyFactors: scram.KeyFactors{Salt: string(c.credential.Salt), Iters: c.credential.Iterations},
			StoredKey:  c.credential.StoredKey, ServerKey: c.credential.ServerKey,
		}, nil
	})
	c.server = server.NewConversation()
	return c
}

func (c *scramConversation) Step(token []byte) ([]byte, error) {
	answer, err := c.step(string(token))
	if err != nil {
		return nil, &Failure{invalidCredentials(c.mechanism), c.mechanism + ": the proof is wrong or the message malformed"}
	}
	if as := c.server.AuthzID(); as != "" && as != c.server.Username() {
		text := "Authentication failed: Client requested an authorization id that is different from username"
		return nil, &Failure{text, c.mechanism + ": " + text}
	}
	if c.valid {
		c.user = c.server.Username()
	}
	return []byte(answer), nil
}

func (c *scramConversation) step(message string) (answer string, err error) {
	if c.serverFirst == "" {
		c.clientFirst = message
		c.serverFirst, err = c.server.Step(message)
		return c.serverFirst, err
	}
	if c.done {
		return "", errScramProof
	}
	c.done = true
	if final, ok := c.withRepeatedNonce(message); ok {
		answer, c.valid = c.prove(final)
		if !c.valid {
			err = errScramProof
		}
		return answer, err
	}
	answer, err = c.server.Step(message)
	c.valid = err == nil && c.server.Valid()
	return answer, err
}

var errScramProof = errors.New("the proof is wrong")

// clientFinal is a client's last message: what it proves, and the proof.
type clientFinal struct {
	withoutProof string
	proof        []byte
}

// withRepeatedNonce reports whether a client's last message is right but for its
// nonce, which has the client's own part twice. So librdkafka wrote it up to
// version 2.6.0 (its pull request 4895). Kafka took it up to 3.9, and 4 does not;
// many such clients are about, and the proof is as strong.
func (c *scramConversation) withRepeatedNonce(message string) (final clientFinal, ok bool) {
	header, bare, ok := c.firstParts()
	withoutProof, proof, found := strings.Cut(message, ",p=")
	_, clientNonce, hasNonce := strings.Cut(bare, ",r=")
	nonce, _, hasSalt := strings.Cut(strings.TrimPrefix(c.serverFirst, "r="), ",s=")
	if !ok || !found || !hasNonce || !hasSalt {
		return final, false
	}
	clientNonce, _, _ = strings.Cut(clientNonce, ",")
	want := "c=" + base64.StdEncoding.EncodeToString([]byte(header)) + ",r=" + clientNonce + nonce
	decoded, err := base64.StdEncoding.DecodeString(proof)
	return clientFinal{withoutProof, decoded}, err == nil && withoutProof == want
}

// firstParts are the header and the rest of the client's first message.
func (c *scramConversation) firstParts() (header, bare string, ok bool) {
	flag, rest, ok := strings.Cut(c.clientFirst, ",")
	authorization, bare, more := strings.Cut(rest, ",")
	return flag + "," + authorization + ",", bare, ok && more && flag != "p"
}

// prove checks the proof of the last message as it stands, and answers with the
// server's own (RFC 5802, section 3).
func (c *scramConversation) prove(final clientFinal) (answer string, ok bool) {
	_, bare, _ := c.firstParts()
	message := bare + "," + c.serverFirst + "," + final.withoutProof
	mac := func(key []byte) []byte {
		m := hmac.New(c.newHash, key)
		m.Write([]byte(message))
		return m.Sum(nil)
	}
	signature := mac(c.credential.StoredKey)
	if len(final.proof) != len(signature) {
		return "", false
	}
	clientKey := make([]byte, len(signature))
	subtle.XORBytes(clientKey, signature, final.proof)
	stored := c.newHash()
	stored.Write(clientKey)
	if subtle.ConstantTimeCompare(stored.Sum(nil), c.credential.StoredKey) != 1 {
		return "", false
	}
	return "v=" + base64.StdEncoding.EncodeToString(mac(c.credential.ServerKey)), true
}

func (c *scramConversation) Proven() (Proof, bool) { return Proof{User: c.user}, c.valid }
