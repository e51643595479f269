package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// Main runs the command line of this process, and returns the code that it is to
// exit with. version is that of the program, if the linker was told one.
func Main(version string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// From then on a signal has its usual effect, but not at once: wrappers pass
	// on a Ctrl-C that the terminal has sent here too.
	context.AfterFunc(ctx, func() { time.AfterFunc(command.StopSlow, stop) })
	defer stop()
	return execute(ctx, os.Args[1:], command.ProcessStreams(version))
}
