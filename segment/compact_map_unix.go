//go:build unix

package segment

import (
	"syscall"
	"unsafe"
)

// allocateSlots maps zeroed memory, which is taken as it is touched and given
// back at once by free.
func allocateSlots(n int64) (slots []slot, free func(), err error) {
	b, err := syscall.Mmap(-1, 0, int(n*slotBytes),
		syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, nil, err
	}
	unmap := func() { _ = syscall.Munmap(b) } // what was mapped can be unmapped
	return unsafe.Slice((*slot)(unsafe.Pointer(&b[0])), n), unmap, nil
}
