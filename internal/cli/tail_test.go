package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/internal/cli/command/commandtest"
)

// TestATailFollows reads a refusal that is made after the tail has begun, and
// ends as a person ends it.
func TestATailFollows(t *testing.T) {
	var polls atomic.Int32
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/brokers" {
			answer(w, http.StatusOK, map[string]any{"broker": 1, "brokers": []any{}})
			return
		}
		ring := `{"topic":"accounts","message":"CONFLICT 1"}`
		if polls.Add(1) > 1 {
			ring += `,{"topic":"accounts","message":"CONFLICT 2"}`
		}
		fmt.Fprintf(w, "[%s]", ring)
	}))
	defer web.Close()
	out, in := io.Pipe()
	s := commandtest.Quiet("LOCKSTEP_HTTP=" + strings.TrimPrefix(web.URL, "http://"))
	s.Out = in
	ctx, interrupt := context.WithCancel(context.Background())
	code := make(chan int, 1)
	go func() {
		code <- execute(ctx, []string{"conflicts", "tail", "--every", "1ms"}, s)
		in.Close()
	}()
	lines := bufio.NewScanner(out)
	for _, want := range []string{"CONFLICT 1", "CONFLICT 2"} {
		if !lines.Scan() || !strings.HasSuffix(lines.Text(), want) {
			t.Errorf("got %q, want it to end in %q", lines.Text(), want)
		}
	}
	interrupt()
	if got := <-code; got != command.ExitDone {
		t.Errorf("exit code %d: %s", got, s.Err)
	}
}
