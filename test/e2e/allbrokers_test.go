package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestLocksAndRefusalsAreAskedOfAllBrokers puts locks and refusals into
// partitions that different brokers lead, and asks by one address.
func TestLocksAndRefusalsAreAskedOfAllBrokers(t *testing.T) {
	c := StartCluster(t, 3)
	b := c.Brokers[0]
	run := func(want int, args ...string) (stdout, stderr string) {
		t.Helper()
		stdout, stderr, code := b.CLI("", args...)
		if code != want {
			t.Fatalf("%v: exit %d, want %d\n%s%s", args, code, want, stdout, stderr)
		}
		return stdout, stderr
	}
	run(0, "topic", "create", "accounts", "-p", "6", "-r", "3")
	for p := range 6 {
		at, lock := fmt.Sprint(p), fmt.Sprintf("acct:%d", p)
		run(0, "append", "accounts", "-p", at, "--write", lock, "--basis", "none", "--id", "req-"+at, "1")
		run(3, "append", "accounts", "-p", at, "--write", lock, "--basis", "none", "2")
	}

	locks := []string{"lock", "show", "accounts"}
	for p := range 6 {
		locks = append(locks, fmt.Sprintf("acct:%d", p))
	}
	out, _ := run(0, locks...)
	for p := range 6 {
		if want := fmt.Sprintf("acct:%d  %d          0     req-%d  1\n", p, p, p); !strings.Contains(out, want) {
			t.Errorf("lock show lacks %q:\n%s", want, out)
		}
	}
	if out, _ = run(0, "conflicts", "tail", "--follow=false"); strings.Count(out, "CONFLICT") != 6 {
		t.Errorf("of 6 refusals the tail shows\n%s", out)
	}
	if out, _ = run(0, "lock", "hot", "accounts"); strings.Count(out, "accounts/") != 6 {
		t.Errorf("of 6 locks that refuse, these are hot:\n%s", out)
	}

	// A check without a partition asks each leader, and ends as an append would.
	out, stderr := run(3, "lock", "check", "accounts", "--write", "acct:4", "--basis", "none")
	if strings.Count(out, " yes\n") != 5 || strings.Count(out, " no\n") != 1 || !strings.Contains(stderr, "accounts-4: it would be refused: CONFLICT lock=acct:4 last=0 basis=none by=req-4 record=0: ") {
		t.Errorf("%s%s", out, stderr)
	}
	for _, c := range []struct {
		code int
		args []string
	}{
		{1, []string{"--write", "new", "--basis", "999"}}, {1, []string{"--write", "new"}}, {1, []string{"--write", "a b@"}},
		{3, []string{"--write", "*", "--basis", "none"}}, {3, []string{"--read", "acct:1", "--basis", "none"}},
	} {
		_, checked := run(c.code, append([]string{"lock", "check", "accounts", "-p", "1"}, c.args...)...)
		_, appended := run(c.code, append([]string{"append", "accounts", "-p", "1", "x"}, c.args...)...)
		if got := strings.TrimPrefix(checked, "it would be refused: "); got != appended {
			t.Errorf("%v: a check says %q, and the append %q", c.args, checked, appended)
		}
	}
	if _, stderr = run(1, "lock", "show", "nosuch", "l"); !strings.Contains(stderr, `topic "nosuch" does not exist`) {
		t.Errorf("said %q", stderr)
	}

	c.Broker(3).Kill()
	for _, args := range [][]string{{"conflicts", "tail", "--follow=false"}, {"lock", "hot"}, locks} {
		for range 100 { // until the cluster has noticed, the cause is another, and leaders are missing
			_, stderr, _ := b.CLI("", args...)
			if strings.Contains(stderr, "broker 3 could not be asked: it is down") && !strings.Contains(stderr, "nobody") {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if stdout, stderr := run(1, args...); !strings.Contains(stderr, "lockstep: broker 3 could not be asked: it is down\n") || !strings.Contains(stdout, "acct:0") {
			t.Errorf("%v: %s%s", args, stdout, stderr)
		}
	}
}
