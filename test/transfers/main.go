package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// The roles that this program takes when it starts itself, with an order in
// JSON behind.
const (
	roleTeller = "teller"
	roleKeeper = "keeper"
)

func main() {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == roleTeller:
		err = obey(os.Args[2], tellerOrder.carryOut)
	case len(os.Args) == 3 && os.Args[1] == roleKeeper:
		err = obey(os.Args[2], keeperOrder.carryOut)
	default:
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = run(ctx, os.Args[1:])
	}
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "transfers:", err)
		os.Exit(1)
	}
}
