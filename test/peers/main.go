package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := dispatch(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// dispatch runs the NATS server that the program starts as its own child, or
// the measurements.
func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "nats" {
		return serveNATS(ctx, args[1:], stderr)
	}
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	if o.dir, err = os.MkdirTemp(o.dir, "peers-"); err != nil {
		return err
	}
	defer os.RemoveAll(o.dir)
	r := newReport(o)
	err = (&run{options: o, report: r, log: stderr}).all(ctx)
	r.print(stdout)
	if err == nil && r.failures > 0 {
		err = fmt.Errorf("%d measurements failed", r.failures)
	}
	return err
}
