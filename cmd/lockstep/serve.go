package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
)

func newServe(s *streams) *cobra.Command {
	cmd := serveCommand(s, "serve", "Run one broker", runBroker)
	cmd.Long = "Run one broker. With no flags: embedded etcd, ./lockstep-data, port 9092 for Kafka\n" +
		"clients and 9644 for HTTP, both on loopback.\n\n" +
		"Each setting may also stand in the environment (--data-dir as LOCKSTEP_DATA_DIR) or in\n" +
		"a YAML file (data-dir: ...). Flags win over the environment, the environment over the file.\n" +
		"The common KAFKA_ variables of container images are understood."
	return cmd
}

// runFunc is runBroker, or what a test puts in its place.
type runFunc func(context.Context, serveConfig, *slog.Logger) error

// serveCommand is a command with the flags of every setting that runs a broker.
func serveCommand(s *streams, use, short string, run runFunc) *cobra.Command {
	var path string
	typed := make(map[string]*settingFlag, len(settings))
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			flags := map[string]string{}
			for name, value := range typed {
				if cmd.Flags().Changed(name) {
					flags[name] = value.text
				}
			}
			cfg, err := loadConfig(flags, s.environ, path)
			if err != nil {
				return usagef(cmd, "%w", err)
			}
			return run(cmd.Context(), cfg, newLogger(s, cfg))
		},
	}
	annotate(cmd, ownEnd) // it hands over what it leads
	cmd.Flags().SortFlags = false
	for _, set := range settings {
		typed[set.name] = &settingFlag{set.def, set.arg}
		cmd.Flags().Var(typed[set.name], set.name, set.usage)
		if set.isOn {
			cmd.Flags().Lookup(set.name).NoOptDefVal = "true"
		}
	}
	cmd.Flags().StringVar(&path, "config", "", "`FILE` of settings in YAML")
	return cmd
}

// settingFlag keeps a setting's text as typed; the settings table judges it
// when all layers are known.
type settingFlag struct{ text, arg string }

func (f *settingFlag) String() string     { return f.text }
func (f *settingFlag) Set(v string) error { f.text = v; return nil }
func (f *settingFlag) Type() string       { return f.arg }

// newLogger says things on standard error: as text to a person, as JSON to a
// machine.
func newLogger(s *streams, cfg serveConfig) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.LogLevel)) // checked by the settings table
	opts := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "json" || (cfg.LogFormat == "auto" && !s.errIsTTY) {
		return slog.New(slog.NewJSONHandler(s.err, opts))
	}
	return slog.New(slog.NewTextHandler(s.err, opts))
}

func newDev(s *streams) *cobra.Command {
	cmd := serveCommand(s, "dev", "Run one broker in a temporary directory", runTemporary(runBroker))
	cmd.Long = "Run one broker in a temporary directory, which is deleted when it stops.\nIt takes the flags of serve; --data-dir is where the temporary directory is made."
	return cmd
}

// runTemporary runs a broker on a directory that lives as long as it does.
func runTemporary(run runFunc) runFunc {
	return func(ctx context.Context, cfg serveConfig, logger *slog.Logger) (err error) {
		parent := ""
		if cfg.DataDir != settingNamed("data-dir").def {
			parent = cfg.DataDir
		}
		dir, err := os.MkdirTemp(parent, "lockstep-dev-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		cfg.DataDir, cfg.Temporary = dir, true
		return run(ctx, cfg, logger)
	}
}
