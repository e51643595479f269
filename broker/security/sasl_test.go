package security

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xdg-go/scram"
)

func userFile(t *testing.T, text string) *UserFile {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := LoadUserFile(path, slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestPlainAnswersInKafkasWords, and tells an unknown user from a wrong password by nothing.
func TestPlainAnswersInKafkasWords(t *testing.T) {
	m := Mechanisms{Users: userFile(t, "# people\n\nalice:secret:with colon\nbob:b\r\n")}
	for token, want := range map[string]string{
		"\x00alice\x00secret:with colon":      "",
		"alice\x00alice\x00secret:with colon": "",
		"\x00bob\x00b":                        "",
		"\x00alice\x00wrong":                  "Authentication failed: Invalid username or password",
		"\x00nobody\x00wrong":                 "Authentication failed: Invalid username or password",
		"bob\x00alice\x00secret:with colon":   "Authentication failed: Client requested an authorization id that is different from username",
		"\x00\x00x":                           "Authentication failed: username not specified",
		"\x00alice\x00":                       "Authentication failed: password not specified",
		"alice":                               "Invalid SASL/PLAIN response: expected 3 tokens, got 1",
		"a\x00b\x00c\x00d":                    "Invalid SASL/PLAIN response: expected 3 tokens, got 4",
		"\xff\x00alice\x00x":                  "Authentication failed during authentication due to invalid credentials with SASL mechanism PLAIN",
	} {
		c, err := m.Begin(Plain)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Step([]byte(token))
		_, proven := c.Proven()
		if proven != (want == "") || want == "" && err != nil {
			t.Errorf("%q: proven %v, %v", token, proven, err)
		}
		if err != nil && FailureText(err, Plain) != want {
			t.Errorf("%q: got %q, want %q", token, FailureText(err, Plain), want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the reason holds the password: %v", token, err)
		}
	}
}

func TestUsersAreReadAgainAndAMistakeChangesNothing(t *testing.T) {
	u := userFile(t, "alice:a\n")
	write := func(text string) error {
		if err := os.WriteFile(u.path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return u.reload()
	}
	if err := write("alice:b\ncarol:c\n"); err != nil || u.matches("alice", []byte("a")) || !u.matches("carol", []byte("c")) {
		t.Errorf("the new users: %v", err)
	}
	for _, bad := range []string{"alice\n", "alice:\n", ":x\n", "alice:x\nalice:y\n"} {
		if err := write(bad); err == nil || !u.matches("carol", []byte("c")) {
			t.Errorf("%q: %v", bad, err)
		} else if strings.Contains(err.Error(), "alice") {
			t.Errorf("the error shows the line: %v", err)
		}
	}
}

// TestScramTellsNobodyWhoIsKnown: an unknown user gets a challenge like any other, the
// same each time, and fails where a wrong password does.
func TestScramTellsNobodyWhoIsKnown(t *testing.T) {
	for mechanism, hash := range map[string]scram.HashGeneratorFcn{ScramSHA256: scram.SHA256, ScramSHA512: scram.SHA512} {
		maker, _ := hash.NewClient("alice", "secret", "")
		stored, err := maker.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "0123456789012345", Iters: 4096})
		if err != nil {
			t.Fatal(err)
		}
		users := NewScramUsers(func(m, user string) (ScramCredential, bool) {
			return ScramCredential{[]byte(stored.Salt), stored.StoredKey, stored.ServerKey, 4096}, m == mechanism && user == "alice"
		}, func() []byte { return []byte("of the cluster") })
		m := Mechanisms{Scram: users}
		talk := func(user, password string) (first string, err error) {
			c, _ := m.Begin(mechanism)
			client, _ := hash.NewClient(user, password, "")
			conv := client.NewConversation()
			said, _ := conv.Step("")
			challenge, err := c.Step([]byte(said))
			if err != nil {
				t.Fatalf("%s: the first answer fails: %v", user, err)
			}
			_, first, _ = strings.Cut(string(challenge), ",")
			said, err = conv.Step(string(challenge))
			if err != nil {
				t.Fatal(err)
			}
			last, err := c.Step([]byte(said))
			if proof, ok := c.Proven(); ok != (err == nil) || ok && proof.User != user {
				t.Errorf("%s: proven %v as %+v, %v", user, ok, proof, err)
			}
			if err == nil {
				_, err = conv.Step(string(last))
			}
			return first, err
		}
		if _, err := talk("alice", "secret"); err != nil {
			t.Errorf("%s: alice: %v", mechanism, err)
		}
		_, wrong := talk("alice", "wrong")
		one, unknown := talk("nobody", "secret")
		two, _ := talk("nobody", "else")
		if wrong == nil || unknown == nil || wrong.Error() != unknown.Error() || FailureText(wrong, mechanism) != FailureText(unknown, mechanism) {
			t.Errorf("%s: a wrong password: %v; an unknown user: %v", mechanism, wrong, unknown)
		}
		if one != two || !strings.HasSuffix(one, ",i=4096") {
			t.Errorf("%s: an unknown user's challenges: %s, %s", mechanism, one, two)
		}
		if other, _ := talk("nobody2", "x"); other == one {
			t.Errorf("%s: all unknown users have one salt", mechanism)
		}
		var f *Failure
		if !errors.As(wrong, &f) || f.Text == "" {
			t.Errorf("%v", wrong)
		}
	}
}

// TestACredentialOfASaltedPasswordIsThatOfThePassword holds NewScramCredential to the library.
func TestACredentialOfASaltedPasswordIsThatOfThePassword(t *testing.T) {
	if _, err := NewScramCredential(Plain, nil, nil, 1); err == nil {
		t.Error("PLAIN was taken for SCRAM")
	}
	// RFC 7677, section 3: user "user", password "pencil", 4096 iterations.
	salted := []byte{0xc4, 0xa4, 0x95, 0x10, 0x32, 0x3a, 0xb4, 0xf9, 0x52, 0xca, 0xc1, 0xfa, 0x99, 0x44, 0x19, 0x39,
		0xe7, 0x8e, 0xa7, 0x4d, 0x6b, 0xe8, 0x1d, 0xdf, 0x70, 0x96, 0xe8, 0x75, 0x13, 0xdc, 0x61, 0x5d}
	salt := []byte{0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81}
	maker, _ := scram.SHA256.NewClient("user", "pencil", "")
	want, err := maker.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: 4096})
	if err != nil {
		t.Fatal(err)
	}
	got, err := NewScramCredential(ScramSHA256, salt, salted, 4096)
	if err != nil || !bytes.Equal(got.StoredKey, want.StoredKey) || !bytes.Equal(got.ServerKey, want.ServerKey) {
		t.Errorf("%v: got %x %x, want %x %x", err, got.StoredKey, got.ServerKey, want.StoredKey, want.ServerKey)
	}
}
