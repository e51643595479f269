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
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// dispatch runs a server that the bench starts as its own child, or the bench.
func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "floor":
			return serveFloor(ctx, args[1:], stderr)
		case "kfake":
			return serveKfake(ctx, args[1:], stderr)
		case "sessions":
			return runSessions(ctx, args[1:], stdout, stderr)
		}
	}
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	return run(ctx, o, stdout, stderr)
}

func run(ctx context.Context, o options, stdout, stderr io.Writer) error {
	dir, err := os.MkdirTemp(o.dir, "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{options: o, dir: dir, log: stderr}
	report, err := b.run(ctx)
	if err != nil {
		return err
	}
	report.print(stdout)
	if o.json != "" {
		if err := report.write(o.json); err != nil {
			return err
		}
	}
	if report.failures > 0 {
		return fmt.Errorf("%d measurements failed", report.failures)
	}
	return nil
}
