package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// healthAnswer is one broker's state, and what it says of its cluster.
type healthAnswer struct {
	Live    bool           `json:"live" yaml:"live"`
	Ready   *bool          `json:"ready,omitempty" yaml:"ready,omitempty"` // nil: it was not asked
	Reason  string         `json:"reason,omitempty" yaml:"reason,omitempty"`
	Cluster map[string]any `json:"cluster,omitempty" yaml:"cluster,omitempty"`
}

// healthCommand asks one broker of itself.
type healthCommand struct {
	s      *command.Streams
	http   command.HTTP
	format command.Format
	live   bool
}

func newHealth(s *command.Streams) *cobra.Command {
	h := &healthCommand{s: s}
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Is this broker ready, or with --live: does it live?",
		Long: "Is this broker ready: does it serve all that it holds? Exit code 0 if so and 1 if not, whatever\n" +
			"the cluster is like: a broker that is ready and finds no quorum must not be restarted for it, nor\n" +
			"taken out of service. What it says of the cluster is shown; \"lockstep cluster health\" judges it.\n\n" +
			"--live asks no more than whether the process answers, as a container's health check or a liveness\n" +
			"probe should: a broker that starts, or reads its logs again, lives and is not ready yet.",
		Example: "  lockstep health          # a readiness probe\n" +
			"  lockstep health --live   # a liveness probe",
		Args: command.Arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return h.askHealth(cmd) },
	}
	cmd.Flags().BoolVar(&h.live, "live", false, "ask only whether the broker's process answers")
	h.http.Flags(cmd, s)
	h.format.Flag(cmd)
	return cmd
}

func (h *healthCommand) askHealth(cmd *cobra.Command) error {
	addrs, err := h.http.Addrs(cmd)
	switch {
	case err != nil:
		return err
	case len(addrs) > 1:
		return command.Usagef(cmd, "asks one broker of itself; %d are named", len(addrs))
	}
	answer, err := h.ask(cmd.Context(), addrs[0])
	if err != nil {
		return err
	}
	if err := h.format.Render(h.s.Out, answer, answer.print); err != nil {
		return err
	}
	if !answer.Live || answer.Ready != nil && !*answer.Ready {
		return command.ErrNegative
	}
	return nil
}

func (h *healthCommand) ask(ctx context.Context, addr string) (healthAnswer, error) {
	answer := healthAnswer{Live: true}
	var status *command.StatusError
	switch _, err := h.http.Get(ctx, addr, nil, "v1", "status", "live"); {
	case err == nil:
	case errors.As(err, &status):
		answer.Live, answer.Reason = false, status.Error()
	default:
		return answer, err
	}
	if h.live {
		return answer, nil
	}
	ready := false
	answer.Ready = &ready
	switch _, err := h.http.Get(ctx, addr, nil, "v1", "status", "ready"); {
	case err == nil:
		ready = true
	case errors.As(err, &status):
		answer.Reason = status.Error()
	default:
		return answer, err
	}
	a, err := h.http.Get(ctx, addr, nil, "v1", "cluster", "health")
	if errors.As(err, &status) {
		err = nil // an unhealthy cluster may answer with a status of its own
	}
	if err == nil {
		_ = json.Unmarshal(a.Body, &answer.Cluster) // what cannot be read is not shown
	}
	return answer, err
}

func (a healthAnswer) print(w io.Writer) {
	command.Row(w, "LIVE", yesOrWhyNot(a.Live, a.Reason))
	if a.Ready != nil {
		command.Row(w, "READY", yesOrWhyNot(*a.Ready, a.Reason))
	}
	for _, k := range slices.Sorted(maps.Keys(a.Cluster)) {
		command.Row(w, k, plain(a.Cluster[k]))
	}
}

func yesOrWhyNot(is bool, why string) string {
	if is {
		return "yes"
	}
	return "no: " + why
}

// plain prints a JSON value without quotes where it needs none.
func plain(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
