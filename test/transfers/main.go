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
	member, err := serve(os.Args[1:])
	if !member {
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

// serve is the main of a process of the crew, if the arguments make it one.
func serve(args []string) (member bool, err error) {
	switch {
	case len(args) != 2:
		return false, nil
	case args[0] == roleTeller:
		return true, obey(args[1], tellerOrder.carryOut)
	case args[0] == roleKeeper:
		return true, obey(args[1], keeperOrder.carryOut)
	}
	return false, nil
}
