package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// segments are the files of a partition's log, in order.
func segments(t *testing.T, b *Broker, partition string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(b.Dir, "logs", partition+".*", "*.log"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%d segments, %v", len(files), err)
	}
	slices.Sort(files)
	return files
}

// bulk are records that fill some segments, each numbered.
func bulk(n int) string {
	var in strings.Builder
	for i := range n {
		fmt.Fprintf(&in, "%d %s\n", i, strings.Repeat("x", 10_000))
	}
	return in.String()
}

func (b *Broker) repair(args ...string) (stdout, stderr string, code int) {
	return Run(b.t, exec.Command(b.bin, append([]string{"repair", b.Dir}, args...)...), "")
}

// TestALogWithAGapIsReadUpToItAndTakesWritesAfterARepair on a broker that alone
// has it, as after a start on a copy of a running broker's directory.
func TestALogWithAGapIsReadUpToItAndTakesWritesAfterARepair(t *testing.T) {
	const records = 400
	b := Start(t)
	must := func(stdin string, args ...string) string {
		t.Helper()
		out, stderr, code := b.CLI(stdin, args...)
		if code != 0 {
			t.Fatalf("%v: exit %d, %s%s", args, code, out, stderr)
		}
		return out
	}
	must("", "topic", "create", "busy", "-p", "1", "--config", "segment.bytes=1048576")
	must(bulk(records), "produce", "busy", "-p", "0")
	b.Stop()
	files := segments(t, b, "busy-0")
	gap := strings.TrimLeft(strings.TrimSuffix(filepath.Base(files[2]), ".log"), "0")
	if err := os.Remove(files[2]); err != nil {
		t.Fatal(err)
	}

	b.begin()
	var read string
	for range 300 {
		var code int
		if read, _, code = b.CLI("", "consume", "busy", "-e", "-f", "%o\n", "--timeout", "20s"); code == 0 && read != "" {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if got := fmt.Sprint(strings.Count(read, "\n")); got != gap {
		t.Errorf("%s records are read, want those before %s", got, gap)
	}
	if out, stderr, code := b.CLI("x", "produce", "busy", "-p", "0", "--timeout", "2s"); code != 1 {
		t.Errorf("it was written to: %s%s", out, stderr)
	}
	if out, _, code := b.CLI("", "health"); code != 1 || !strings.Contains(out, "offsets 0 to ") || !strings.Contains(out, "lockstep repair") {
		t.Errorf("health: exit %d, %s", code, out)
	}
	if _, stderr, code := b.repair(); code != 1 || !strings.Contains(stderr, "stop the broker first") {
		t.Errorf("a repair under a running broker: exit %d, %s", code, stderr)
	}
	b.Stop()

	if out, stderr, code := b.repair("--dry-run"); code != 1 || !strings.Contains(out, "busy-0     damaged  0      "+gap+" ") {
		t.Errorf("dry run: exit %d\n%s%s", code, out, stderr)
	}
	out, stderr, code := b.repair()
	if code != 0 || !strings.Contains(out, "busy-0     repaired  0      "+gap+" ") || !strings.Contains(out, "it is missing\n") || !strings.Contains(out, "it is behind the gap\n") {
		t.Errorf("repair: exit %d\n%s%s", code, out, stderr)
	}
	if left, err := filepath.Glob(filepath.Join(b.Dir, "left-out", "*", "busy-0.*", "*.log")); err != nil || len(left) != len(files)-3 {
		t.Errorf("%d files are put aside, want %d; %v", len(left), len(files)-3, err)
	}
	if out, stderr, code := b.repair(); code != 0 || strings.Contains(out, "busy-0") {
		t.Errorf("repaired again: exit %d\n%s%s", code, out, stderr)
	}
	b.begin()
	b.awaitReady()
	if out := must("x", "produce", "busy", "-p", "0"); out != "0 "+gap+"\n" {
		t.Errorf("the next record is at %q, want offset %s", out, gap)
	}
	b.Stop()
}

// TestARepairedLogIsNotUsedWhileOthersHaveThePartition: it lacks what was
// acknowledged, and must not lead with that.
func TestARepairedLogIsNotUsedWhileOthersHaveThePartition(t *testing.T) {
	const records = 400
	c := StartCluster(t, 3)
	b := c.Brokers[0]
	run := func(stdin string, args ...string) string {
		t.Helper()
		out, stderr, code := b.CLI(stdin, args...)
		if code != 0 {
			t.Fatalf("%v: exit %d, %s%s", args, code, out, stderr)
		}
		return out
	}
	run("", "topic", "create", "ledger", "-p", "1", "-r", "3", "--config", "segment.bytes=1048576", "--config", "min.insync.replicas=2")
	run(bulk(records), "produce", "ledger", "-p", "0")
	run("", "topic", "create", "quiet", "-p", "1", "-r", "3") // whole, and older if the directory is a copy
	run("x", "produce", "quiet", "-p", "0")
	for _, each := range c.Brokers {
		each.Kill()
	}
	hurt := c.Broker(3)
	if err := os.Remove(segments(t, hurt, "ledger-0")[1]); err != nil {
		t.Fatal(err)
	}
	if out, stderr, code := hurt.repair(); code != 0 || !strings.Contains(out, "ledger-0   repaired") {
		t.Fatalf("repair: exit %d\n%s%s", code, out, stderr)
	}
	hurt.begin() // first, so that it would lead if it could
	time.Sleep(time.Second)
	b.begin()
	for range 600 {
		if strings.Contains(hurt.log.String(), "lockstep repair was at work on its directory") {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.Broker(2).begin()
	b.awaitReady()
	described := ""
	for range 600 {
		described, _, _ = b.CLI("", "topic", "describe", "ledger", "--format", "json")
		if strings.Contains(described, `"isr":[1,2,3]`) || strings.Contains(described, `"isr":[2,1,3]`) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if !strings.Contains(described, fmt.Sprintf(`"high_watermark":%d`, records)) || strings.Contains(described, `"isr":[1,2]`) {
		t.Errorf("after the repair of one of three: %s", described)
	}
	if got := strings.Count(run("", "consume", "ledger", "-e", "-f", "%o\n"), "\n"); got != records {
		t.Errorf("%d of %d records are there", got, records)
	}
	for _, topic := range []string{"ledger", "quiet"} {
		said := false
		for line := range strings.Lines(hurt.log.String()) {
			said = said || strings.Contains(line, "lockstep repair was at work on its directory") && strings.Contains(line, `"topic":"`+topic+`"`)
		}
		if !said {
			t.Errorf("the broker counted on its log of %s", topic)
		}
	}
}
