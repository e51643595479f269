// Command lockstep is the broker and its command line in one binary. What it does is
// in package cli.
package main

import (
	"os"

	"github.com/lockstep-log/lockstep/internal/cli"
)

// version is set by the Makefile through -ldflags; a plain go build or go
// install leaves it empty, and the module's own version stands in.
var version = ""

func main() { os.Exit(cli.Main(version)) }
