package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the Makefile through -ldflags; a plain go build or go
// install leaves it empty, and the module's own version stands in.
var version = ""

type buildVersion struct {
	Version string `json:"version" yaml:"version"`
	Commit  string `json:"commit,omitempty" yaml:"commit,omitempty"`
	Go      string `json:"go" yaml:"go"`
	System  string `json:"system" yaml:"system"`
}

func currentVersion() buildVersion {
	v := buildVersion{Version: version, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if v.Version == "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Commit = s.Value
		}
	}
	return v
}

func newVersion(s *streams) *cobra.Command {
	var f format
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this binary",
		Args:  arguments(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			v := currentVersion()
			return f.render(s.out, v, func(w io.Writer) {
				fmt.Fprintf(w, "lockstep %s, %s, %s\n", v.Version, v.Go, v.System)
			})
		},
	}
	f.flag(cmd)
	return cmd
}
