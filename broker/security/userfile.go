package security

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// UserFile is the users of PLAIN: a file with a line NAME:PASSWORD for each, which is
// read again when it changes. Empty lines, and those that begin with #, say nothing. In
// memory are the hashes of the passwords alone.
type UserFile struct {
	path string
	log  *slog.Logger
	now  atomic.Pointer[users]
}

type users struct {
	raw    [sha256.Size]byte // of the file
	hashes map[string][sha256.Size]byte
}

// LoadUserFile reads the file.
func LoadUserFile(path string, log *slog.Logger) (*UserFile, error) {
	u := &UserFile{path: path, log: log}
	u.now.Store(&users{})
	if err := u.reload(); err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		log.Warn("the file of users can be read by others than its owner", "file", path, "mode", info.Mode().Perm().String())
	}
	return u, nil
}

// Watch reads the file again whenever it has changed, until ctx ends. What cannot be
// read is logged, and the users stand as they were.
func (u *UserFile) Watch(ctx context.Context, every time.Duration) error {
	return watchFile(ctx, every, u.reload, func(err error) {
		u.log.Error("the file of users has changed and cannot be used; the users stand as they were", "error", err)
	})
}

// watchFile calls reload every so often, and complains once of each error.
func watchFile(ctx context.Context, every time.Duration, reload func() error, complain func(error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var said string
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := reload()
		if err == nil {
			said = ""
		} else if err.Error() != said {
			said = err.Error()
			complain(err)
		}
	}
}

func (u *UserFile) passwords() map[string][sha256.Size]byte { return u.now.Load().hashes }

func (u *UserFile) reload() error {
	b, err := os.ReadFile(u.path)
	if err != nil {
		return err
	}
	old := u.now.Load()
	next := &users{raw: sha256.Sum256(b)}
	if old.hashes != nil && next.raw == old.raw {
		return nil
	}
	if next.hashes, err = parseUsers(b); err != nil {
		return fmt.Errorf("%s: %w", u.path, err)
	}
	u.now.Store(next)
	if old.hashes != nil {
		u.log.Info("users were read again", "file", u.path, "users", len(next.hashes))
	}
	return nil
}

// parseUsers reads the lines. An error names a line by its number: it may hold a secret.
func parseUsers(b []byte) (map[string][sha256.Size]byte, error) {
	hashes := map[string][sha256.Size]byte{}
	for i, line := range bytes.Split(b, []byte("\n")) {
		text := strings.TrimSuffix(string(line), "\r")
		if strings.TrimSpace(text) == "" || strings.HasPrefix(text, "#") {
			continue
		}
		name, password, ok := strings.Cut(text, ":")
		switch _, twice := hashes[name]; {
		case !ok || name == "" || password == "":
			return nil, fmt.Errorf("line %d: want NAME:PASSWORD", i+1)
		case twice:
			return nil, fmt.Errorf("line %d: the user was there before", i+1)
		}
		hashes[name] = sha256.Sum256([]byte(password))
	}
	return hashes, nil
}
