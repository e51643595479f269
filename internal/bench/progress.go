package bench

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// progress draws how far a measurement is, on a terminal, until it is stopped.
func (b *benchCommand) progress(ctx context.Context, m *meter) (stop func()) {
	if !b.s.ErrIsTTY {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var drawing sync.WaitGroup
	drawing.Go(func() {
		last, seen := m.began, int64(0)
		for command.Pause(ctx, redrawEvery) == nil {
			now, n := time.Now(), m.records.Load()
			drawBar(b.s.Err, m.part(now), float64(n-seen)/now.Sub(last).Seconds())
			last, seen = now, n
		}
		fmt.Fprint(b.s.Err, "\r\x1b[K")
	})
	return func() { cancel(); drawing.Wait() }
}

const (
	barWidth    = 40
	redrawEvery = 250 * time.Millisecond
)

func drawBar(w io.Writer, part, perSecond float64) {
	full := int(part * barWidth)
	fmt.Fprintf(w, "\r[%s%s] %3.0f %%  %.0f records/s \x1b[K", strings.Repeat("=", full),
		strings.Repeat(" ", barWidth-full), 100*part, perSecond)
}
