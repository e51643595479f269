// Package profile is the command profile: clusters that have a name, so that commands
// need not be told each time where they are and who one is there.
package profile

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// New is the command profile.
func New(s *command.Streams) *cobra.Command {
	return command.Group("profile", "Name clusters: brokers, TLS and SASL settings", newSet(s), newList(s), newShow(s), newDelete(s))
}

// edit changes the profiles.
func edit(s *command.Streams, change func(map[string]command.Profile) error) error {
	path, err := command.ProfilesFile(s)
	if err != nil {
		return err
	}
	all, err := command.ReadProfiles(path)
	if err != nil {
		return err
	}
	if err := change(all); err != nil {
		return err
	}
	return command.WriteProfiles(path, all)
}

func newSet(s *command.Streams) *cobra.Command {
	var p command.Profile
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Name a cluster, or change what its name stands for",
		Args:  command.Arguments(1, 1, "a name"),
	}
	f := cmd.Flags()
	texts := map[string]*string{
		"brokers": &p.Brokers, "ca": &p.CA, "cert": &p.Cert, "key": &p.Key, "sasl-mechanism": &p.Mechanism,
		"user": &p.User, "password-file": &p.PasswordFile, "command-config": &p.CommandConfig,
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		f.StringVar(texts[name], name, "", "the value of --"+name+" for its commands; empty: none")
	}
	f.BoolVar(&p.TLS, "tls", false, "speak TLS")
	f.StringToStringVarP(&p.Properties, "property", "X", nil, "a Kafka client property, `KEY=VALUE`; may be repeated")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return edit(s, func(all map[string]command.Profile) error {
			old := all[args[0]]
			merge(&old, &p, cmd)
			all[args[0]] = old
			fmt.Fprintf(s.Out, "set %s\n", args[0])
			return nil
		})
	}
	return cmd
}

// merge takes what was typed.
func merge(to, typed *command.Profile, cmd *cobra.Command) {
	for name, pair := range map[string][2]*string{
		"brokers": {&to.Brokers, &typed.Brokers}, "ca": {&to.CA, &typed.CA},
		"cert": {&to.Cert, &typed.Cert}, "key": {&to.Key, &typed.Key}, "sasl-mechanism": {&to.Mechanism, &typed.Mechanism},
		"user": {&to.User, &typed.User}, "password-file": {&to.PasswordFile, &typed.PasswordFile},
		"command-config": {&to.CommandConfig, &typed.CommandConfig},
	} {
		if cmd.Flags().Changed(name) {
			*pair[0] = *pair[1]
		}
	}
	if cmd.Flags().Changed("tls") {
		to.TLS = typed.TLS
	}
	if cmd.Flags().Changed("property") {
		to.Properties = typed.Properties
	}
}

func newList(s *command.Streams) *cobra.Command {
	var format command.Format
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the names",
		Args: command.Arguments(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			path, err := command.ProfilesFile(s)
			if err != nil {
				return err
			}
			all, err := command.ReadProfiles(path)
			if err != nil {
				return err
			}
			return format.Render(s.Out, all, func(w io.Writer) {
				command.Row(w, "NAME", "BROKERS", "USER")
				for _, name := range slices.Sorted(maps.Keys(all)) {
					command.Row(w, name, command.OrDash(all[name].Brokers), command.OrDash(all[name].User))
				}
			})
		},
	}
	format.Flag(cmd)
	return cmd
}

func newShow(s *command.Streams) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show what a name stands for",
		Args: command.Arguments(1, 1, "a name"),
		RunE: func(_ *cobra.Command, args []string) error {
			path, err := command.ProfilesFile(s)
			if err != nil {
				return err
			}
			all, err := command.ReadProfiles(path)
			if err != nil {
				return err
			}
			p, ok := all[args[0]]
			if !ok {
				return fmt.Errorf("there is no profile %q in %s", args[0], path)
			}
			return command.Format("yaml").Encode(s.Out, p)
		},
	}
}

func newDelete(s *command.Streams) *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Aliases: []string{"rm"}, Short: "Delete a name",
		Args: command.Arguments(1, 1, "a name"),
		RunE: func(_ *cobra.Command, args []string) error {
			return edit(s, func(all map[string]command.Profile) error {
				if _, ok := all[args[0]]; !ok {
					return fmt.Errorf("there is no profile %q", args[0])
				}
				delete(all, args[0])
				fmt.Fprintf(s.Out, "deleted %s\n", args[0])
				return nil
			})
		},
	}
}
