package producer

import (
	"encoding/json"
	"errors"
	"os/exec"
	"testing"

	"github.com/lockstep-log/lockstep/test/e2e"
)

// TestTheBankDemoPassesItsOwnVerdict with clients killed on the way, and fails
// it when nobody asks for locks.
func TestTheBankDemoPassesItsOwnVerdict(t *testing.T) {
	b := e2e.Start(t)
	demo := func(args ...string) (code int, v struct {
		Passed             bool
		Wrong, Lost, Equal int
		Killed, Acked      int
		Total, Supply      int
	}) {
		t.Helper()
		cmd := exec.Command(e2e.Binary(t), append([]string{"demo", "bank", "-b", b.Addr, "--format", "json"}, args...)...)
		out, err := cmd.Output()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &v); err != nil {
			t.Fatalf("%v: %s, %v", err, out, exit)
		}
		return cmd.ProcessState.ExitCode(), v
	}
	code, v := demo("--topic", "bank", "--duration", "1500ms", "--faults")
	if code != 0 || !v.Passed || v.Killed == 0 || v.Equal != 4 || v.Acked == 0 {
		t.Errorf("exit %d, %+v", code, v)
	}
	if code, v = demo("--topic", "bank", "--duration", "300ms", "--processes", "2", "--writers", "1"); code != 0 || v.Supply != 100_000 {
		t.Errorf("a second run on the same topic: exit %d, %+v", code, v)
	}
	if code, v = demo("--duration", "600ms", "--accounts", "5", "--locks=false"); code != 1 || v.Passed || v.Wrong == 0 || v.Lost > 0 {
		t.Errorf("without locks: exit %d, %+v", code, v)
	}
}
