package serve

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// New is the command serve.
func New(s *command.Streams) *cobra.Command {
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
func serveCommand(s *command.Streams, use, short string, run runFunc) *cobra.Command {
	var path string
	typed := make(map[string]*settingFlag, len(settings))
	flags := func(cmd *cobra.Command) map[string]string {
		set := map[string]string{}
		for name, value := range typed {
			if cmd.Flags().Changed(name) {
				set[name] = value.text
			}
		}
		return set
	}
	misused := func(cmd *cobra.Command, err error) error {
		l := layers{flags: flags(cmd), env: environment(s.Environ)}
		return fatal(s, l.logFormat(), err)
	}
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args: func(cmd *cobra.Command, args []string) error {
			return misused(cmd, command.Arguments(0, 0, "")(cmd, args))
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(flags(cmd), s.Environ, path)
			if err != nil {
				return fatal(s, cfg.LogFormat, command.Usagef(cmd, "%w", err))
			}
			cfg.Version = command.VersionOf(s.Version).Version
			return fatal(s, cfg.LogFormat, run(cmd.Context(), cfg, newLogger(s, cfg)))
		},
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return misused(cmd, command.Usagef(cmd, "%w", err)) })
	command.Annotate(cmd, command.OwnEnd) // it hands over what it leads
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

// NewDev is the command dev.
func NewDev(s *command.Streams) *cobra.Command {
	cmd := serveCommand(s, "dev", "Run one broker in a temporary directory", runTemporary(runBroker))
	cmd.Long = "Run one broker in a temporary directory, which is deleted when it stops.\nIt takes the flags of serve; " +
		"--data-dir is where the temporary directory is made."
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
