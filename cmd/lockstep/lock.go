package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/spf13/cobra"
)

func newLock(s *streams) *cobra.Command {
	return group("lock", "Ask about locks", newLockShow(s), newLockCheck(s), newLockHot(s), newLockHistory(s))
}

// lockCommand is what the commands on locks share.
type lockCommand struct {
	s         *streams
	http      httpAPI
	format    format
	partition int32
}

func (l *lockCommand) flags(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().Int32VarP(&l.partition, "partition", "p", 0, "partition `N`")
	l.http.flags(cmd, l.s)
	l.format.flag(cmd)
	return cmd
}

// lockState is what a broker knows of one lock.
type lockState struct {
	Lock    string           `json:"lock" yaml:"lock"`
	Last    *protocol.Offset `json:"last" yaml:"last"` // nil: never written
	By      string           `json:"by" yaml:"by"`
	Refused int64            `json:"refused" yaml:"refused"`
}

func (s lockState) lastOffset() protocol.Offset {
	if s.Last == nil {
		return protocol.None
	}
	return *s.Last
}

// state asks for a lock. A lock that was never written answers with the same
// status as a partition that is not here; only the words tell them apart, and
// whatever is not surely the former is an error: to call a mistyped topic free
// of conflicts would be wrong.
func (l *lockCommand) state(ctx context.Context, topic, lock string) (lockState, error) {
	st := lockState{Lock: lock, By: "-"}
	err := l.http.getInto(ctx, &st, nil, "v1", "locks", topic, strconv.Itoa(int(l.partition)), lock)
	if isNotFound(err) && strings.Contains(err.Error(), "never written") {
		return st, nil
	}
	if st.By == "" {
		st.By = "-" // as in the text of a refusal: whoever wrote it gave no name
	}
	return st, err
}
