package floor

import (
	"os"

	"golang.org/x/sys/unix"
)

// writeSync is one writev and one fdatasync. queueMax keeps bufs under the kernel's 1,024.
func writeSync(f *os.File, bufs [][]byte) error {
	fd := int(f.Fd())
	for len(bufs) > 0 {
		n, err := unix.Writev(fd, bufs)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		bufs = skip(bufs, n)
	}
	for {
		if err := unix.Fdatasync(fd); err != unix.EINTR {
			return err
		}
	}
}

// skip drops the first n bytes, which a short write has dealt with.
func skip(bufs [][]byte, n int) [][]byte {
	for len(bufs) > 0 && n >= len(bufs[0]) {
		n -= len(bufs[0])
		bufs = bufs[1:]
	}
	if n > 0 {
		bufs[0] = bufs[0][n:]
	}
	return bufs
}
