package partitions

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/protocol"
)

// TestManyChangesOfTheISRAreSummedUp: no storm of them floods the log, and none is
// left out.
func TestManyChangesOfTheISRAreSummedUp(t *testing.T) {
	const changes = 1000
	var buf bytes.Buffer
	lines := func(text string) (found []string) {
		for line := range strings.Lines(buf.String()) {
			if strings.Contains(line, text) {
				found = append(found, line)
			}
		}
		return found
	}
	l := newISRLog(slog.New(slog.NewTextHandler(&buf, nil)))
	l.limit = rate.NewLimiter(rate.Every(time.Hour), isrLogged)
	all := protocol.Members{{ID: 1}, {ID: 2}, {ID: 3}}
	for i := range changes {
		was, is := image.Partition{Index: int32(i)}, image.Partition{Index: int32(i)}
		was.ISR, is.ISR, is.Leader = all, all[:2], 1
		if i%4 == 0 {
			was, is = is, was
		}
		l.note("a", &was, &is)
		l.note("a", &is, &is)
	}
	l.sum() // too soon
	if n := len(lines("topic=a")); n != isrLogged || len(lines("more partitions")) != 0 {
		t.Errorf("%d lines, want %d, and then %q", n, isrLogged, lines("more partitions"))
	}
	l.limit = rate.NewLimiter(rate.Inf, 1)
	l.sum()
	l.sum()
	want := fmt.Sprintf("shrank=%d grew=%d", changes*3/4-7, changes/4-3)
	if got := lines("more partitions"); len(got) != 1 || !strings.Contains(got[0], want) {
		t.Errorf("summed up as %q, want %s", got, want)
	}
}
