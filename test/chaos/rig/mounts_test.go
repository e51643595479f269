package rig

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// TestNobodyElseSeesTheRigsMounts: a mount namespace that is made while a rig
// runs holds nothing of it.
func TestNobodyElseSeesTheRigsMounts(t *testing.T) {
	const child = "LOCKSTEP_TEST_OWN_MOUNTS"
	if dir := os.Getenv(child); dir != "" {
		runtime.LockOSThread()
		if err := ownMounts(); err != nil {
			fmt.Println("skip:", err)
			return
		}
		// Its children are the thread's, and this is the thread.
		d, err := NewDisk(dir, 16<<20)
		if err != nil {
			fmt.Println("skip:", err)
			return
		}
		device, err := deviceOf(d.Mount)
		fmt.Println(device, err)
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		fmt.Println(d.Unmount())
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v=false")
	cmd.Env = append(os.Environ(), child+"="+t.TempDir())
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	said, err := bufio.NewReader(out).ReadString('\n')
	if strings.HasPrefix(said, "skip:") {
		t.Skip(strings.TrimSpace(said))
	}
	device, _, _ := strings.Cut(said, " ")
	if err != nil || !strings.HasSuffix(said, " <nil>\n") {
		t.Fatalf("the rig said %q, %v", said, err)
	}
	if mounts("/proc/self", device) {
		t.Errorf("device %s is mounted here as well", device)
	}
	if by := pins(device, "/nowhere"); len(by) != 1 {
		t.Errorf("device %s is seen by others than the rig: %q", device, by)
	}
}

// TestWhoHoldsOnToADiskIsNamed: another mount namespace keeps a file system
// alive that was unmounted here, and shut as it is.
func TestWhoHoldsOnToADiskIsNamed(t *testing.T) {
	d, err := NewDisk(t.TempDir(), 16<<20)
	if err != nil {
		t.Skipf("skip: no file system of its own: %v", err)
	}
	t.Cleanup(func() { _ = d.Unmount() })
	neighbour := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", "echo ready; exec sleep 60")
	out, _ := neighbour.StdoutPipe()
	if err := neighbour.Start(); err != nil {
		t.Skipf("skip: no mount namespaces: %v", err)
	}
	gone := func() { _ = neighbour.Process.Kill(); _ = neighbour.Wait() }
	defer gone()
	if said, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Skipf("skip: no mount namespaces: %q, %v", said, err)
	}
	if err := d.CutPower(); err != nil {
		t.Fatal(err)
	}
	err = d.PowerOn()
	if who := "process " + strconv.Itoa(neighbour.Process.Pid) + " "; !errors.Is(err, errPinned) || !strings.Contains(err.Error(), who) {
		t.Errorf("a disk that %sholds on to: %v", who, err)
	}
	gone()
	if err := d.mount(); err != nil {
		t.Errorf("a disk that nobody holds on to any more: %v", err)
	}
	file, err := os.Create(d.Mount + "/file")
	if err != nil {
		t.Fatalf("it still has no power: %v", err)
	}
	file.Close()
}
