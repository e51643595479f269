package main

import (
	"io"
	"os"

	"github.com/mattn/go-isatty"
)

// streams is everything that a command may touch of its process.
type streams struct {
	in       io.Reader
	out      io.Writer // the result, and nothing else
	err      io.Writer // what is said to a person
	inIsTTY  bool
	errIsTTY bool
	environ  []string // KEY=value, as os.Environ gives it
}

func processStreams() *streams {
	return &streams{
		in:       os.Stdin,
		out:      os.Stdout,
		err:      os.Stderr,
		inIsTTY:  isatty.IsTerminal(os.Stdin.Fd()),
		errIsTTY: isatty.IsTerminal(os.Stderr.Fd()),
		environ:  os.Environ(),
	}
}
