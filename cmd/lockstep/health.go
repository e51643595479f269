package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
)

type healthAnswer struct {
	Ready   bool           `json:"ready" yaml:"ready"`
	Reason  string         `json:"reason,omitempty" yaml:"reason,omitempty"`
	Cluster map[string]any `json:"cluster,omitempty" yaml:"cluster,omitempty"`
}

func newHealth(s *streams) *cobra.Command {
	var h httpAPI
	var f format
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Is this broker ready, and is its cluster well?",
		Long: "Is this broker ready, and is its cluster well? Exit code 0 if so and 1 if not: fit for\n" +
			"a container's health check.",
		Args: arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			addrs, err := h.addrs(cmd)
			if err != nil {
				return err
			}
			answer, err := askHealth(cmd.Context(), &h, addrs[0])
			if err != nil {
				return err
			}
			if err := f.render(s.out, answer, answer.print); err != nil {
				return err
			}
			if !answer.well() {
				return errNegative
			}
			return nil
		},
	}
	h.flags(cmd, s)
	f.flag(cmd)
	return cmd
}

func askHealth(ctx context.Context, h *httpAPI, addr string) (healthAnswer, error) {
	var answer healthAnswer
	var status *statusError
	switch _, err := h.get(ctx, addr, nil, "v1", "status", "ready"); {
	case err == nil:
		answer.Ready = true
	case errors.As(err, &status):
		answer.Reason = status.Error()
	default:
		return answer, err
	}
	a, err := h.get(ctx, addr, nil, "v1", "cluster", "health")
	if errors.As(err, &status) {
		err = nil // an unwell cluster may answer with a status of its own
	}
	if err == nil {
		_ = json.Unmarshal(a.body, &answer.Cluster) // what cannot be read is not shown
	}
	return answer, err
}

// well is the broker's readiness, and the cluster's own word where it gives one.
func (a healthAnswer) well() bool {
	healthy, said := a.Cluster["healthy"].(bool)
	return a.Ready && (healthy || !said)
}

func (a healthAnswer) print(w io.Writer) {
	state := "yes"
	if !a.Ready {
		state = "no: " + a.Reason
	}
	row(w, "READY", state)
	var keys []string
	for k := range a.Cluster {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		row(w, k, plain(a.Cluster[k]))
	}
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
