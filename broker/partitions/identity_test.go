package partitions

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// What the file of a data directory may hold.
func TestTheIdentityOfADataDirectory(t *testing.T) {
	dir := t.TempDir()
	name := newDirectoryID()
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "directory.id"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(name + "\n") // as the first versions wrote it
	id, err := ClaimIdentity(vfs.Default, dir, 7, "")
	if err != nil || id != (Identity{Directory: name, Node: 7}) {
		t.Fatalf("%+v, %v", id, err)
	}
	if err := id.BelongTo(vfs.Default, dir, "C"); err != nil {
		t.Fatal(err)
	}
	if again, err := ClaimIdentity(vfs.Default, dir, 7, "C"); err != nil || again != id {
		t.Fatalf("%+v, %v", again, err)
	}
	for _, text := range []string{"", "directory=short\n", "directory=" + name + "\nnode=x\n", "node=1\ncluster=C\n"} {
		put(text)
		if _, err := ClaimIdentity(vfs.Default, dir, 7, ""); err == nil || !strings.Contains(err.Error(), "directory.id") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
