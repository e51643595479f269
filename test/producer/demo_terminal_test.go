package producer

import (
	"bytes"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/lockstep-log/lockstep/test/e2e"
)

// TestCtrlCEndsTheBankDemoWithItsVerdict: at a terminal it goes to every
// process in the foreground, and those of the demo must not die of it.
func TestCtrlCEndsTheBankDemoWithItsVerdict(t *testing.T) {
	b := e2e.Start(t)
	cmd := exec.Command(e2e.Binary(t), "demo", "bank", "-b", b.Addr, "--duration", "0")
	tty, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	defer cmd.Process.Kill()
	var out bytes.Buffer
	for !strings.Contains(out.String(), " 100000\r\n") {
		if _, err := io.CopyN(&out, tty, 1); err != nil {
			t.Fatalf("%v; it said %q", err, &out)
		}
	}
	if _, err := tty.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	defer limit.Stop()
	io.Copy(&out, tty) // ends with an error when the other side is closed
	if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), "PASSED") {
		t.Errorf("%v; it said %q", err, &out)
	}
}
