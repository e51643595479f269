package acl

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol"
)

// New is the command group.
func New(s *command.Streams) *cobra.Command {
	return command.Group("acl", "Add, list and remove ACLs: who may do what", newAdd(s), newList(s), newRemove(s))
}

// aclCommand is what the commands on ACLs share.
type aclCommand struct {
	command.Kafka
	chosen
}

func newCommand(s *command.Streams) *aclCommand {
	return &aclCommand{Kafka: command.Kafka{Streams: s}}
}

// grant is an ACL as it is printed.
type grant struct {
	Resource   string `json:"resource" yaml:"resource"`
	Name       string `json:"name" yaml:"name"`
	Pattern    string `json:"pattern" yaml:"pattern"`
	Principal  string `json:"principal" yaml:"principal"`
	Host       string `json:"host" yaml:"host"`
	Operation  string `json:"operation" yaml:"operation"`
	Permission string `json:"permission" yaml:"permission"`
}

func grantOf(r resource, principal, host string, op kmsg.ACLOperation, permission kmsg.ACLPermissionType) grant {
	return grant{
		Resource: typeName(r.kind), Name: r.name, Pattern: lower(r.pattern), Principal: principal, Host: host, Operation: lower(op),
		Permission: lower(permission),
	}
}

func (a *aclCommand) print(done string, grants []grant) error {
	if grants == nil {
		grants = []grant{}
	}
	return a.Format.Render(a.Streams.Out, grants, func(w io.Writer) {
		if done == "" {
			command.Row(w, "RESOURCE", "NAME", "PATTERN", "PRINCIPAL", "HOST", "OPERATION", "PERMISSION")
		}
		for _, g := range grants {
			if done == "" {
				command.Row(w, g.Resource, protocol.Printable(g.Name), g.Pattern, protocol.Printable(g.Principal),
					protocol.Printable(g.Host), g.Operation, g.Permission)
				continue
			}
			fmt.Fprintf(w, "%s: %s %s from %s may%s %s %s %s\n", done, g.Permission, protocol.Printable(g.Principal),
				protocol.Printable(g.Host), map[string]string{"deny": " not"}[g.Permission], g.Operation, g.Resource, g.pretty())
		}
	})
}

// pretty is the resource's name, and what of it is meant.
func (g *grant) pretty() string {
	if g.Pattern == "prefixed" {
		return protocol.Printable(g.Name) + "…"
	}
	return protocol.Printable(g.Name)
}
