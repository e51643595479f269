package command

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Alteration is the flags of a command that changes settings.
type Alteration struct{ set, Unset []string }

// Flags adds --config and --unset.
func (a *Alteration) Flags(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringArrayVarP(&a.set, "config", "c", nil, "`KEY=VALUE` to set; may be repeated")
	cmd.Flags().StringArrayVar(&a.Unset, "unset", nil, "`KEY` to bring back to its default; may be repeated")
	return cmd
}

// Unknown is which of the settings that are to be brought back to their defaults
// there is not, as Kafka's own tool has it: the protocol lets them pass. It words
// it as a broker does for one that is to be set.
func (a *Alteration) Unknown(kind string, known func(name string) bool) error {
	for _, k := range a.Unset {
		if !known(k) {
			return fmt.Errorf("%s: Unknown %s config name: %s", kerr.InvalidConfig.Message, kind, k)
		}
	}
	return nil
}

// Changes are what the flags ask for.
func (a *Alteration) Changes(cmd *cobra.Command) ([]kadm.AlterConfig, error) {
	values, err := KeyValues(a.set)
	if err != nil {
		return nil, Usagef(cmd, "--config: %w", err)
	}
	if len(a.set)+len(a.Unset) == 0 {
		return nil, Usagef(cmd, "nothing to change; give --config KEY=VALUE or --unset KEY")
	}
	var changes []kadm.AlterConfig
	for k, v := range values {
		changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: k, Value: &v})
	}
	for _, k := range a.Unset {
		changes = append(changes, kadm.AlterConfig{Op: kadm.DeleteConfig, Name: k})
	}
	return changes, nil
}

// Setting is a setting of a topic or a group, and who set it, as it is printed.
type Setting struct {
	Key    string `json:"key" yaml:"key"`
	Value  string `json:"value" yaml:"value"`
	Source string `json:"source" yaml:"source"`
}
