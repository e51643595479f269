// Package warm readies the machine for a measurement.
package warm

import (
	"os"
	"path/filepath"
)

// Pages makes the machine touch the memory that the measurements will use, by
// filling the page cache with n bytes and giving them back.
func Pages(dir string, n int64) error {
	path := filepath.Join(dir, "warm")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer os.Remove(path)
	defer f.Close()
	chunk := make([]byte, 1<<20)
	for written := int64(0); written < n; written += int64(len(chunk)) {
		if _, err := f.Write(chunk); err != nil {
			return err
		}
	}
	return nil
}
