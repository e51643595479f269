// Package commandtest helps tests to run commands.
package commandtest

import (
	"bytes"
	"strings"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// Quiet are streams that read nothing and keep what is written, in *bytes.Buffers.
func Quiet(environ ...string) *command.Streams {
	return &command.Streams{In: strings.NewReader(""), Out: new(bytes.Buffer), Err: new(bytes.Buffer), Environ: environ}
}
