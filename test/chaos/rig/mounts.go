package rig

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ownMounts gives the calling thread, which must be locked, and what it executes
// a mount namespace of its own. What is mounted there nobody else sees, so no
// other mount namespace that is made meanwhile can hold on to it; what others
// unmount is unmounted here as well, so that the rig holds on to nothing of theirs.
func ownMounts() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("make a mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("make the mounts of the namespace its own: %w", err)
	}
	return nil
}

// pins names the processes that hold on to a file system: those that still have
// it mounted, in a mount namespace of their own, and those with a file or a
// directory of it open. Of each mount namespace one process is named.
func pins(device string, mount string) []string {
	var found []string
	namespaces := map[string]bool{}
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range processes {
		who := filepath.Base(proc) + " (" + firstLine(proc+"/comm") + ")"
		ns, err := os.Readlink(proc + "/ns/mnt")
		if err == nil && !namespaces[ns] && mounts(proc, device) {
			namespaces[ns] = true
			found = append(found, fmt.Sprintf("it is mounted in %s, which is process %s's", ns, who))
		}
		for _, file := range uses(proc, mount) {
			found = append(found, fmt.Sprintf("process %s uses %s", who, file))
		}
	}
	return found
}

// mounts reports whether a process sees a device, "major:minor", mounted.
func mounts(proc, device string) bool {
	f, err := os.Open(proc + "/mountinfo")
	if err != nil {
		return false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 2 && fields[2] == device {
			return true
		}
	}
	return false
}

// uses is what a process has open below a path.
func uses(proc, path string) (files []string) {
	links, _ := filepath.Glob(proc + "/fd/*")
	for _, link := range append(links, proc+"/cwd", proc+"/root") {
		if file, err := os.Readlink(link); err == nil && (file == path || strings.HasPrefix(file, path+"/")) {
			files = append(files, file)
		}
	}
	return files
}

func firstLine(file string) string {
	b, _ := os.ReadFile(file) // the process may have ended
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

// deviceOf is the device of the file system that is mounted at a path, as
// mountinfo writes it.
func deviceOf(path string) (string, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev)), nil
}

// errPinned: a file system lives on after it was unmounted, and with it what was
// done to it.
var errPinned = errors.New("the file system is still in use")

func pinned(mount string, by []string) error {
	return fmt.Errorf("%s: %w: %s", mount, errPinned, strings.Join(by, "; "))
}
