package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

// TestAKcatUserSeesConflictsRefused is the walk of the README, with the plain
// kcat of Debian: every exit code, and the headers back.
func TestAKcatUserSeesConflictsRefused(t *testing.T) {
	kcat, err := exec.LookPath("kcat")
	if err != nil {
		t.Skip("kcat is not installed (apt-get install kcat); the same walk runs with the lockstep command")
	}
	b := Start(t)
	if _, stderr, code := b.CLI("", "topic", "create", "accounts", "--config", "conflict.policy=required"); code != 0 {
		t.Fatalf("topic create: exit %d %s", code, stderr)
	}
	produce := func(value string, args ...string) int {
		cmd := exec.Command(kcat, append([]string{"-P", "-b", b.Addr, "-t", "accounts"}, args...)...)
		_, stderr, code := Run(t, cmd, value+"\n")
		t.Logf("kcat %s: exit %d %s", strings.Join(args, " "), code, strings.TrimSpace(stderr))
		return code
	}
	walk := []struct {
		value string
		want  int
		args  []string
	}{
		{"100", 0, []string{"-k", "7", "-H", "lock-write=acct:7", "-H", "lock-basis=none"}},
		{"120", 1, []string{"-k", "7", "-H", "lock-write=acct:7", "-H", "lock-basis=none"}},
		{"120", 0, []string{"-k", "7", "-H", "lock-write=acct:7", "-H", "lock-read=limits rates", "-H", "lock-basis=0"}},
		{"130", 0, []string{"-k", "7", "-H", "lock-write=acct:7@1 acct:8@none"}},
		{"1", 1, []string{"-H", "lock-write=*@1"}},
	}
	for _, step := range walk {
		if code := produce(step.value, step.args...); code != step.want {
			t.Errorf("%v: exit %d, want %d", step.args, code, step.want)
		}
	}
	got, _, code := Run(t, exec.Command(kcat, "-C", "-b", b.Addr, "-t", "accounts", "-e", "-q", "-f", "%o %k=%s (%h)\n"), "")
	want := "0 7=100 (lock-write=acct:7,lock-basis=none)\n" +
		"1 7=120 (lock-write=acct:7,lock-read=limits rates,lock-basis=0)\n" +
		"2 7=130 (lock-write=acct:7@1 acct:8@none)\n"
	if code != 0 || got != want {
		t.Errorf("kcat -C: exit %d\n%s\nwant\n%s", code, got, want)
	}
}

// TestALedgerGetsMorePartitionsByForceOnly.
func TestALedgerGetsMorePartitionsByForceOnly(t *testing.T) {
	b := Start(t)
	b.CLI("", "topic", "create", "accounts", "-p", "1")
	b.CLI("100", "append", "accounts", "--write", "acct:7", "--basis", "none")
	if out, stderr, code := b.CLI("", "topic", "add-partitions", "accounts", "-n", "3"); code != 1 || out != "" || !strings.Contains(stderr, "holds locks") {
		t.Errorf("exit %d %q %q, want 1 and a reason", code, out, stderr)
	}
	if out, stderr, code := b.CLI("", "topic", "add-partitions", "accounts", "-n", "3", "--force"); code != 0 || out != "added accounts\n" {
		t.Errorf("by force: exit %d %q %q", code, out, stderr)
	}
	if out, _, _ := b.CLI("", "topic", "list", "accounts"); !strings.Contains(out, "accounts  4 ") {
		t.Errorf("topic list: %s", out)
	}
}

// TestTheCommandLineExitsWith3OnAConflict is the same walk with lockstep append.
func TestTheCommandLineExitsWith3OnAConflict(t *testing.T) {
	b := Start(t, "--topics", "accounts:1")
	walk := []struct {
		value  string
		want   int
		stderr string
		args   []string
	}{
		{"100", 0, "", []string{"--write", "acct:7", "--basis", "none", "--id", "req-1"}},
		{"120", 3, "CONFLICT lock=acct:7 last=0 basis=none by=req-1 record=0: ", []string{"--write", "acct:7", "--basis", "none"}},
		{"100", 0, "", []string{"--write", "acct:7", "--basis", "none", "--id", "req-1"}},
		{"999", 3, "DUPLICATE id=req-1 last=0 record=0: ", []string{"--write", "acct:7", "--basis", "none", "--id", "req-1"}},
		{"120", 0, "", []string{"--write", "acct:7", "--read", "limits rates", "--basis", "0"}},
		{"130", 0, "", []string{"--write", "acct:7@1 acct:8@none"}},
		{"1", 3, "CONFLICT lock=* last=2 basis=1 by=- record=0: ", []string{"--write", "*@1"}},
		{"1", 1, "MALFORMED record=0: ", []string{"--write", "acct:7", "--basis", "99"}},
	}
	for _, step := range walk {
		args := append([]string{"append", "accounts", "-p", "0", "-k", "7"}, step.args...)
		out, stderr, code := b.CLI(step.value, args...)
		if code != step.want || !strings.Contains(stderr, step.stderr) {
			t.Errorf("%v: exit %d, stdout %q, stderr %q; want %d %q", step.args, code, out, stderr, step.want, step.stderr)
		}
	}
	if out, _, _ := b.CLI("", "lock", "show", "accounts", "acct:7", "--format", "json"); !strings.Contains(out, `"last": 2`) && !strings.Contains(out, `"last":2`) {
		t.Errorf("lock show: %s", out)
	}
}
