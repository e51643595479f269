package replication

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
)

// What is a leader's silence, and what is this broker's own matter.
func TestWhatCountsAsSilence(t *testing.T) {
	for err, want := range map[error]bool{
		fmt.Errorf("read: %w", os.ErrDeadlineExceeded):                                  true,
		&net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}:                             true,
		&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ETIMEDOUT)}: true,
		&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}:                             false,
		&net.OpError{Op: "read", Err: syscall.ECONNRESET}:                               false,
		errSelfStalled:   false,
		errNotRegistered: false,
	} {
		if got := silent(err); got != want {
			t.Errorf("%v: silent is %v", err, got)
		}
	}
}
