package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/spf13/cobra"
)

type checkedLock struct {
	Lock  string          `json:"lock" yaml:"lock"`
	Kind  string          `json:"kind" yaml:"kind"`
	Basis protocol.Offset `json:"basis" yaml:"basis"`
	Last  protocol.Offset `json:"last" yaml:"last"`
	By    string          `json:"by" yaml:"by"`
	Pass  bool            `json:"pass" yaml:"pass"`
}

func newLockCheck(s *streams) *cobra.Command {
	l := &lockCommand{s: s}
	var write, read []string
	var basis string
	cmd := l.flags(&cobra.Command{
		Use:   "check TOPIC",
		Short: "Would this append pass just now?",
		Long: "Would this append pass just now? Ends with exit code 3 if not. Nothing is written, and\n" +
			"the answer may be old before it is read: only an append decides.",
		Example: "  lockstep lock check accounts -p 0 --write 'acct:7 acct:8@none' --basis 12",
		Args:    arguments(1, 1, "a topic"),
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := lockRequest(write, read, basis)
			if err != nil {
				return usagef(cmd, "%w", err)
			}
			return l.check(cmd.Context(), args[0], q)
		},
	})
	cmd.Flags().StringArrayVar(&write, "write", nil, "`LOCKS` to be written")
	cmd.Flags().StringArrayVar(&read, "read", nil, "`LOCKS` to be read")
	cmd.Flags().StringVar(&basis, "basis", "", "`OFFSET` of the last record read, or none")
	return cmd
}

// lockRequest parses the flags by the grammar of the headers.
func lockRequest(write, read []string, basis string) (*protocol.LockRequest, error) {
	var q protocol.LockRequest
	q.Reset()
	for _, h := range []struct{ key, value string }{
		{protocol.HeaderLockWrite, strings.Join(write, " ")},
		{protocol.HeaderLockRead, strings.Join(read, " ")},
		{protocol.HeaderLockBasis, basis},
	} {
		if h.value == "" {
			continue
		}
		if err := q.Header([]byte(h.key), []byte(h.value)); err != nil {
			return nil, err
		}
	}
	if err := q.Finish(); err != nil {
		return nil, err
	}
	if len(q.Items) == 0 {
		return nil, fmt.Errorf("no locks to check; give --write or --read")
	}
	return &q, nil
}

func (l *lockCommand) check(ctx context.Context, topic string, q *protocol.LockRequest) error {
	var checked []checkedLock
	var refused error
	for _, item := range q.Items {
		st, err := l.state(ctx, topic, string(item.Raw))
		if err != nil {
			return err
		}
		c := checkedLock{string(item.Raw), item.Kind.String(), item.Basis, st.lastOffset(), st.By, st.lastOffset() <= item.Basis}
		checked = append(checked, c)
		if !c.Pass && refused == nil {
			refused = &refusedError{fmt.Sprintf("it would be refused: lock %q was written at offset %s, after basis %s", c.Lock, c.Last, c.Basis)}
		}
	}
	err := l.format.render(l.s.out, checked, func(w io.Writer) {
		row(w, "LOCK", "KIND", "BASIS", "LAST", "BY", "PASS")
		for _, c := range checked {
			row(w, c.Lock, c.Kind, c.Basis, c.Last, c.By, yesNo(c.Pass))
		}
	})
	if err != nil {
		return err
	}
	return refused
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
