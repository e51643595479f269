package segment

import (
	"fmt"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func someFiles(t *testing.T, n int) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewMem()
	for i := range n {
		f, err := fs.Create(fmt.Sprint(i), diskWrites)
		must(t, err)
		_, err = f.Write([]byte{byte(i)})
		must(t, err)
		must(t, f.Close())
	}
	return fs
}

func TestUnusedFilesAreBoundedAndUsedOnesStayOpen(t *testing.T) {
	files := NewFiles(someFiles(t, 10), 3)
	var used []*openFile
	for i := range 10 {
		h, err := files.acquire(fmt.Sprint(i))
		must(t, err)
		used = append(used, h)
	}
	if files.Len() != 10 {
		t.Fatalf("%d open while 10 are used", files.Len())
	}
	for i, h := range used {
		var b [1]byte
		if _, err := h.ReadAt(b[:], 0); err != nil || int(b[0]) != i {
			t.Fatalf("file %d: %v, %v", i, b, err)
		}
		files.release(h)
	}
	if files.Len() != 3 {
		t.Fatalf("%d open while none is used", files.Len())
	}
	must(t, files.Close())
	if files.Len() != 0 {
		t.Fatalf("%d open after Close", files.Len())
	}
}

func TestForgottenFileStaysWithItsReaderAndIsOpenedAnew(t *testing.T) {
	fs := someFiles(t, 1)
	files := NewFiles(fs, 3)
	old, err := files.acquire("0")
	must(t, err)
	must(t, fs.Remove("0"))
	files.forget("0")
	if _, err := files.acquire("0"); !notExist(err) {
		t.Fatalf("a file that was removed: %v", err)
	}
	var b [1]byte
	if _, err := old.ReadAt(b[:], 0); err != nil {
		t.Fatal(err)
	}
	files.release(old)
	if files.Len() != 0 {
		t.Fatalf("%d open", files.Len())
	}
}

func TestFilesAreSharedByManyReaders(t *testing.T) {
	files := NewFiles(someFiles(t, 5), 2)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 300 {
				n := (i*7 + g) % 5
				h, err := files.acquire(fmt.Sprint(n))
				if err != nil {
					t.Error(err)
					return
				}
				var b [1]byte
				if _, err := h.ReadAt(b[:], 0); err != nil || int(b[0]) != n {
					t.Errorf("file %d: %v, %v", n, b, err)
				}
				if i%10 == 0 {
					files.forget(fmt.Sprint(n))
				}
				files.release(h)
			}
		})
	}
	wg.Wait()
	if files.Len() > 2 {
		t.Fatalf("%d open", files.Len())
	}
	must(t, files.Close())
}
