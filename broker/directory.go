package broker

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// directoryFile holds the data directory's own id: a random name, made once. It
// tells a broker that came back from a second one that was given the same node
// id.
const directoryFile = "directory.id"

const directoryIDBytes = 16

// directoryID reads the id, or makes it.
func directoryID(fsys vfs.FS, dir string) (string, error) {
	path := filepath.Join(dir, directoryFile)
	f, err := fsys.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newDirectoryID(fsys, dir, path)
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, 256))
	if err != nil {
		return "", err
	}
	id := strings.TrimSpace(string(raw))
	if b, err := base64.RawURLEncoding.DecodeString(id); err != nil || len(b) != directoryIDBytes {
		return "", fmt.Errorf("%s holds %q, which is no directory id; if the file was damaged, delete it", path, printable(id))
	}
	return id, nil
}

func newDirectoryID(fsys vfs.FS, dir, path string) (string, error) {
	var b [directoryIDBytes]byte
	rand.Read(b[:])
	id := base64.RawURLEncoding.EncodeToString(b[:])
	temp := path + ".new"
	f, err := fsys.Create(temp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return "", err
	}
	_, err = f.Write([]byte(id + "\n"))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", err
	}
	if err := fsys.Rename(temp, path); err != nil {
		return "", err
	}
	d, err := fsys.OpenDir(dir)
	if err != nil {
		return "", err
	}
	return id, errors.Join(d.Sync(), d.Close())
}
