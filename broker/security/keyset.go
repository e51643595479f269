package security

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	keysTimeout  = 5 * time.Second // for one fetch: a client waits for it
	keysBytesMax = 1 << 20
	// keysPause is the least time between two fetches: who shows tokens of unknown keys
	// must not have whoever publishes the keys asked without an end.
	keysPause = 10 * time.Second
)

// keySet is the keys at a URL. They are fetched when a token names a key that is not
// among them, which is how keys are rotated, and when they have become old. While they
// cannot be fetched the old ones stand.
type keySet struct {
	url     string
	refresh time.Duration
	now     func() time.Time
	client  *http.Client

	mu struct {
		sync.Mutex
		keys    []jose.JSONWebKey
		fetched time.Time // when they were
		tried   time.Time // when it was tried last
		failed  error     // of that try
	}
}

func newKeySet(url string, refresh time.Duration, now func() time.Time) *keySet {
	return &keySet{url: url, refresh: refresh, now: now, client: &http.Client{Timeout: keysTimeout}}
}

var errUnknownKey = errors.New("the token is signed by an unknown key")

// find returns the keys of an id; without an id, all. Who comes while keys are being
// fetched waits for the same fetch.
func (s *keySet) find(id string) ([]jose.JSONWebKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.named(id)
	now := s.now()
	old := now.Sub(s.mu.fetched) > s.refresh
	if (len(found) == 0 || old) && now.Sub(s.mu.tried) > keysPause {
		s.fetch(now)
		found = s.named(id)
	}
	switch {
	case len(found) > 0:
		return found, nil
	case s.mu.failed != nil:
		return nil, fmt.Errorf("the keys of tokens cannot be fetched: %w", s.mu.failed)
	}
	return nil, errUnknownKey
}

func (s *keySet) named(id string) []jose.JSONWebKey {
	if id == "" {
		return s.mu.keys
	}
	var found []jose.JSONWebKey
	for _, k := range s.mu.keys {
		if k.KeyID == id {
			found = append(found, k)
		}
	}
	return found
}

// fetch replaces the keys, or notes why it could not.
func (s *keySet) fetch(now time.Time) {
	s.mu.tried = now
	keys, err := s.read()
	if s.mu.failed = err; err == nil {
		s.mu.keys, s.mu.fetched = keys, now
	}
}

// read reads the keys. Those that are no public keys, or for encryption, are left out.
func (s *keySet) read() ([]jose.JSONWebKey, error) {
	b, err := s.load()
	if err != nil {
		return nil, err
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(b, &set); err != nil {
		return nil, fmt.Errorf("%s holds no set of keys: %w", s.url, err)
	}
	var keys []jose.JSONWebKey
	for _, k := range set.Keys {
		if k.Valid() && k.IsPublic() && k.Use != "enc" {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s holds no public key", s.url)
	}
	return keys, nil
}

func (s *keySet) load() ([]byte, error) {
	if u, err := url.Parse(s.url); err == nil && u.Scheme == "file" {
		return os.ReadFile(u.Path)
	}
	resp, err := s.client.Get(s.url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", s.url, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, keysBytesMax))
}
