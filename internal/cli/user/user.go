// Package user is the command user: the users of SCRAM, which are kept in the cluster.
package user

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// New is the command user.
func New(s *command.Streams) *cobra.Command {
	return command.Group("user", "Add, list and delete the users of SCRAM", newAdd(s), newList(s), newDelete(s))
}

// userCommand is what the commands on users share.
type userCommand struct{ command.Kafka }

// mechanisms are SCRAM's by Kafka's names.
var mechanisms = map[string]kadm.ScramMechanism{"SCRAM-SHA-256": kadm.ScramSha256, "SCRAM-SHA-512": kadm.ScramSha512}

func mechanismNamed(cmd *cobra.Command, name string) (kadm.ScramMechanism, error) {
	m, ok := mechanisms[name]
	if !ok {
		return 0, command.Usagef(cmd, "--mechanism wants SCRAM-SHA-512 or SCRAM-SHA-256, got %q", name)
	}
	return m, nil
}

func newAdd(s *command.Streams) *cobra.Command {
	u := &userCommand{command.Kafka{Streams: s}}
	var mechanism, file string
	var iterations int32
	var generate bool
	cmd := u.Flags(&cobra.Command{
		Use:   "add NAME",
		Short: "Add a user, or set its password anew",
		Long: "Add a user of SCRAM, or set its password anew. The password is a line of standard input, or\n" +
			"--new-password-file; it never leaves this machine. Brokers know the user at once.",
		Args: command.Arguments(1, 1, "a name"),
		RunE: func(cmd *cobra.Command, names []string) error {
			m, err := mechanismNamed(cmd, mechanism)
			if err != nil {
				return err
			}
			password, err := newPassword(s.In, file, generate)
			if err != nil {
				return err
			}
			return u.With(cmd, func(ctx context.Context, adm *kadm.Client) error {
				set := kadm.UpsertSCRAM{User: names[0], Mechanism: m, Iterations: iterations, Password: password}
				if err := altered(adm.AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{set})); err != nil {
					return err
				}
				return u.printAdded(names[0], mechanism, generate, password)
			})
		},
	})
	cmd.Flags().StringVar(&mechanism, "mechanism", "SCRAM-SHA-512", "`MECHANISM` that the password is for: SCRAM-SHA-512 or SCRAM-SHA-256")
	cmd.Flags().StringVar(&file, "new-password-file", "", "`FILE` with the user's password; without it, a line of standard input")
	cmd.Flags().BoolVar(&generate, "generate", false, "make a password and print it")
	cmd.Flags().Int32Var(&iterations, "iterations", 4096, "`COUNT` of iterations, from 4096 to 16384")
	return cmd
}

func (u *userCommand) printAdded(name, mechanism string, generated bool, password string) error {
	added := struct {
		User      string `json:"user" yaml:"user"`
		Mechanism string `json:"mechanism" yaml:"mechanism"`
		Password  string `json:"password,omitempty" yaml:"password,omitempty"`
	}{name, mechanism, ""}
	if generated {
		added.Password = password
	}
	return u.Format.Render(u.Streams.Out, added, func(w io.Writer) {
		fmt.Fprintf(w, "added %s for %s\n", name, mechanism)
		if generated {
			fmt.Fprintf(w, "password %s\n", password)
		}
	})
}

// newPassword is the password to be set: made, or the first line of a file or of standard input.
func newPassword(in io.Reader, file string, generate bool) (string, error) {
	if generate {
		return rand.Text(), nil
	}
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	password := strings.TrimRight(line, "\r\n")
	if password == "" {
		return "", errors.New("the password is empty: give it on standard input, by --new-password-file, or have one made by --generate")
	}
	return password, nil
}

// altered is the first error of an alteration.
func altered(all kadm.AlteredUserSCRAMs, err error) error {
	if err != nil {
		return err
	}
	for _, a := range all.Sorted() {
		if a.Err != nil {
			return fmt.Errorf("user %q: %w", a.User, command.BrokerError(a.Err, a.ErrMessage))
		}
	}
	return nil
}

type listedUser struct {
	User       string `json:"user" yaml:"user"`
	Mechanism  string `json:"mechanism" yaml:"mechanism"`
	Iterations int32  `json:"iterations" yaml:"iterations"`
}

func newList(s *command.Streams) *cobra.Command {
	u := &userCommand{command.Kafka{Streams: s}}
	return u.Flags(&cobra.Command{
		Use:     "list [NAME...]",
		Aliases: []string{"ls"},
		Short:   "List users and their mechanisms",
		RunE: func(cmd *cobra.Command, names []string) error {
			return u.With(cmd, func(ctx context.Context, adm *kadm.Client) error {
				described, err := adm.DescribeUserSCRAMs(ctx, names...)
				if err != nil {
					return err
				}
				list := []listedUser{}
				for _, d := range described.Sorted() {
					if d.Err != nil {
						return fmt.Errorf("user %q: %w", d.User, command.BrokerError(d.Err, d.ErrMessage))
					}
					for _, c := range d.CredInfos {
						list = append(list, listedUser{d.User, c.Mechanism.String(), c.Iterations})
					}
				}
				return u.Format.Render(s.Out, list, func(w io.Writer) {
					command.Row(w, "USER", "MECHANISM", "ITERATIONS")
					for _, l := range list {
						command.Row(w, l.User, l.Mechanism, l.Iterations)
					}
				})
			})
		},
	})
}

func newDelete(s *command.Streams) *cobra.Command {
	u := &userCommand{command.Kafka{Streams: s}}
	var mechanism string
	cmd := u.Flags(&cobra.Command{
		Use:     "delete NAME",
		Aliases: []string{"rm"},
		Short:   "Delete a user, or one of its mechanisms",
		Args:    command.Arguments(1, 1, "a name"),
		RunE: func(cmd *cobra.Command, names []string) error {
			return u.With(cmd, func(ctx context.Context, adm *kadm.Client) error {
				return u.remove(ctx, cmd, adm, names[0], mechanism)
			})
		},
	})
	cmd.Flags().StringVar(&mechanism, "mechanism", "", "this `MECHANISM` alone; without it, all that the user has")
	return cmd
}

// remove deletes mechanism after mechanism: one request may name a user once.
func (u *userCommand) remove(ctx context.Context, cmd *cobra.Command, adm *kadm.Client, name, mechanism string) error {
	var doomed []kadm.ScramMechanism
	if mechanism != "" {
		m, err := mechanismNamed(cmd, mechanism)
		if err != nil {
			return err
		}
		doomed = append(doomed, m)
	} else {
		described, err := adm.DescribeUserSCRAMs(ctx, name)
		if err != nil {
			return err
		}
		d := described[name]
		if d.Err != nil {
			return fmt.Errorf("user %q: %w", name, command.BrokerError(d.Err, d.ErrMessage))
		}
		for _, c := range d.CredInfos {
			doomed = append(doomed, c.Mechanism)
		}
	}
	for _, m := range doomed {
		if err := altered(adm.AlterUserSCRAMs(ctx, []kadm.DeleteSCRAM{{User: name, Mechanism: m}}, nil)); err != nil {
			return err
		}
	}
	return u.Format.Render(u.Streams.Out, map[string]string{"deleted": name}, func(w io.Writer) { fmt.Fprintf(w, "deleted %s\n", name) })
}
