package command

import (
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
)

// Streams is everything that a command may touch of its process.
type Streams struct {
	In       io.Reader
	Out      io.Writer // the result, and nothing else
	Err      io.Writer // what is said to a person
	InIsTTY  bool
	ErrIsTTY bool
	Environ  []string // KEY=value, as os.Environ gives it
	Version  string   // as the linker was told; empty: that of the module
}

// ProcessStreams are those of this process.
func ProcessStreams(version string) *Streams {
	return &Streams{
		In:       os.Stdin,
		Out:      os.Stdout,
		Err:      os.Stderr,
		InIsTTY:  isatty.IsTerminal(os.Stdin.Fd()),
		ErrIsTTY: isatty.IsTerminal(os.Stderr.Fd()),
		Environ:  os.Environ(),
		Version:  version,
	}
}

// getenv is a variable of the environment; one that is set to nothing is not set.
func (s *Streams) getenv(name string) (value string) {
	for _, kv := range s.Environ {
		if k, v, ok := strings.Cut(kv, "="); ok && k == name && v != "" {
			value = v
		}
	}
	return value
}
