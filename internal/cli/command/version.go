package command

import (
	"runtime"
	"runtime/debug"
)

// Version says which program this is, as it is printed.
type Version struct {
	Version string `json:"version" yaml:"version"`
	Commit  string `json:"commit,omitempty" yaml:"commit,omitempty"`
	Go      string `json:"go" yaml:"go"`
	System  string `json:"system" yaml:"system"`
}

// VersionOf is that of the running program; set is what the linker was told.
func VersionOf(set string) Version {
	v := Version{Version: set, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
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
