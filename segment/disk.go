package segment

import (
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// diskWrites is the category under which a vfs accounts for our writes.
const diskWrites = vfs.WriteCategoryUnspecified

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// writeFile puts data durably at dir/name, whole or not at all: a temporary
// file is written, synced, and renamed over the old one.
func writeFile(fs vfs.FS, dir, name string, data []byte) error {
	tmp := fs.PathJoin(dir, name+tmpSuffix)
	f, err := fs.Create(tmp, diskWrites)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		_ = fs.Remove(tmp) // on a full disk its room is needed; a later Open would remove it as well
		return err
	}
	if err := fs.Rename(tmp, fs.PathJoin(dir, name)); err != nil {
		return err
	}
	return syncDir(fs, dir)
}

// readFile reads a small file whole.
func readFile(fs vfs.FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	return b, errors.Join(err, f.Close())
}

// shrink cuts the file at path durably to size bytes. It must not be open for
// writing. File systems that cannot shorten a file in place get a copy.
func shrink(fs vfs.FS, path string, size int64) error {
	f, err := fs.OpenReadWrite(path, diskWrites)
	if err != nil {
		return err
	}
	t, ok := f.(interface{ Truncate(size int64) error })
	if !ok {
		return errors.Join(copyHead(fs, f, path, size), f.Close())
	}
	err = t.Truncate(size)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// copyHead replaces path by its first size bytes.
func copyHead(fs vfs.FS, f vfs.File, path string, size int64) error {
	head := make([]byte, size)
	if _, err := f.ReadAt(head, 0); err != nil && !(err == io.EOF && size == 0) {
		return fmt.Errorf("read the first %d bytes of %s: %w", size, path, err)
	}
	return writeFile(fs, fs.PathDir(path), fs.PathBase(path), head)
}

func fileSize(fs vfs.FS, path string) (int64, error) {
	info, err := fs.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
