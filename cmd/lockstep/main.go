package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// From then on a signal has its usual effect, but not at once: wrappers pass
	// on a Ctrl-C that the terminal has sent here too.
	context.AfterFunc(ctx, func() { time.AfterFunc(stopSlow, stop) })
	code := execute(ctx, os.Args[1:], processStreams())
	stop()
	os.Exit(code)
}
