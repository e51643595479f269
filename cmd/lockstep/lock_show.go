package main

import (
	"io"

	"github.com/spf13/cobra"
)

func newLockShow(s *streams) *cobra.Command {
	l := &lockCommand{s: s}
	return l.flags(&cobra.Command{
		Use:     "show TOPIC LOCK...",
		Short:   "Show who wrote a lock last, and at which offset",
		Long:    "Show who wrote a lock last, and at which offset. LOCK is written as in the header:\n%XX stands for a space, a control byte or @, and * is the whole partition.",
		Example: "  lockstep lock show accounts acct:7 -p 0",
		Args:    arguments(2, -1, "a topic and locks"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var states []lockState
			for _, lock := range args[1:] {
				st, err := l.state(cmd.Context(), args[0], lock)
				if err != nil {
					return err
				}
				states = append(states, st)
			}
			return l.format.render(s.out, states, func(w io.Writer) {
				row(w, "LOCK", "LAST", "BY", "REFUSED")
				for _, st := range states {
					row(w, st.Lock, st.lastOffset(), st.By, st.Refused)
				}
			})
		},
	})
}
