package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// alteration is the flags of a command that changes settings.
type alteration struct{ set, unset []string }

func (a *alteration) flags(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringArrayVarP(&a.set, "config", "c", nil, "`KEY=VALUE` to set; may be repeated")
	cmd.Flags().StringArrayVar(&a.unset, "unset", nil, "`KEY` to bring back to its default; may be repeated")
	return cmd
}

// unknown is which of the settings that are to be brought back to their defaults
// there is not, as Kafka's own tool has it: the protocol lets them pass. It words
// it as a broker does for one that is to be set.
func (a *alteration) unknown(kind string, known func(name string) bool) error {
	for _, k := range a.unset {
		if !known(k) {
			return fmt.Errorf("%s: Unknown %s config name: %s", kerr.InvalidConfig.Message, kind, k)
		}
	}
	return nil
}

// changes are what the flags ask for.
func (a *alteration) changes(cmd *cobra.Command) ([]kadm.AlterConfig, error) {
	values, err := pairs(a.set)
	if err != nil {
		return nil, usagef(cmd, "--config: %w", err)
	}
	if len(a.set)+len(a.unset) == 0 {
		return nil, usagef(cmd, "nothing to change; give --config KEY=VALUE or --unset KEY")
	}
	var changes []kadm.AlterConfig
	for k, v := range values {
		changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: k, Value: &v})
	}
	for _, k := range a.unset {
		changes = append(changes, kadm.AlterConfig{Op: kadm.DeleteConfig, Name: k})
	}
	return changes, nil
}
