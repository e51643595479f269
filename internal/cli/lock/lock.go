package lock

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol"
)

// New is the command lock.
func New(s *command.Streams) *cobra.Command {
	return command.Group("lock", "Ask about locks", newLockShow(s), newLockCheck(s), newLockHot(s), newLockHistory(s))
}

// lockCommand is what the commands on locks share. Without a partition they mean
// all that the topic has.
type lockCommand struct {
	command.AllBrokers
	partition int32
}

func (l *lockCommand) flags(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().Int32VarP(&l.partition, "partition", "p", -1, "partition `N`; without it, all")
	return l.AllBrokers.Flags(cmd)
}

// locksHere is what a broker knows of locks.
type locksHere struct {
	Partitions int32   `json:"partitions"`
	Leads      []int32 `json:"leads"`
	Locks      []struct {
		Partition int32           `json:"partition"`
		Lock      string          `json:"lock"`
		Last      protocol.Offset `json:"last"`
		By        string          `json:"by"`
		Refused   uint64          `json:"refused"`
	} `json:"locks"`
}

// lockState is what the cluster knows of one lock in one partition.
type lockState struct {
	Lock      string          `json:"lock" yaml:"lock"`
	Partition int32           `json:"partition" yaml:"partition"` // -1: in none
	Last      protocol.Offset `json:"last" yaml:"last"`           // -1: never written
	By        string          `json:"by" yaml:"by"`
	Refused   uint64          `json:"refused" yaml:"refused"`
}

// lockPlace is a lock in a partition.
type lockPlace struct {
	lock      string
	partition int32
}

// lockTable is what all brokers know of some locks.
type lockTable struct {
	partitions int32
	leaders    map[int32]command.AskedBroker // by partition, those that could be asked
	states     map[lockPlace]lockState
}

// look asks all brokers. Who wrote a lock last is the leader's word; refusals are
// added up.
func (l *lockCommand) look(ctx context.Context, brokers []command.AskedBroker, topic string,
	locks []string) (*lockTable, error) {
	t := &lockTable{leaders: map[int32]command.AskedBroker{}, states: map[lockPlace]lockState{}}
	err := l.HTTP.Ask(ctx, brokers, func(b command.AskedBroker, a command.HTTPAnswer) error {
		var here locksHere
		if err := a.Into(&here); err != nil {
			return err
		}
		t.merge(b, &here)
		return nil
	}, url.Values{"lock": locks}, "v1", "locks", topic)
	if err != nil {
		return nil, err
	}
	if l.partition >= t.partitions && t.partitions > 0 {
		return nil, fmt.Errorf("topic %q has no partition %d; it has %d", topic, l.partition, t.partitions)
	}
	return t, nil
}

func (t *lockTable) merge(b command.AskedBroker, here *locksHere) {
	t.partitions = max(t.partitions, here.Partitions)
	for _, p := range here.Leads {
		t.leaders[p] = b
	}
	for _, k := range here.Locks {
		at := lockPlace{k.Lock, k.Partition}
		s, ok := t.states[at]
		if !ok {
			s = lockState{Lock: k.Lock, Partition: k.Partition, Last: protocol.None}
		}
		s.Refused += k.Refused
		if slices.Contains(here.Leads, k.Partition) {
			s.Last, s.By = k.Last, k.By
		}
		t.states[at] = s
	}
}

// meant are the partitions that a command is about.
func (l *lockCommand) meant(t *lockTable) []int32 {
	if l.partition >= 0 {
		return []int32{l.partition}
	}
	all := make([]int32, t.partitions)
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

// leaderless says which of the partitions nobody was found to lead, and is an
// error if there are any.
func (t *lockTable) leaderless(w io.Writer, topic string, partitions []int32) error {
	var missing []string
	for _, p := range partitions {
		if _, ok := t.leaders[p]; !ok {
			missing = append(missing, strconv.Itoa(int(p)))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	fmt.Fprintf(w, "lockstep: topic %q: nobody who leads it could be asked of partition %s\n", topic,
		strings.Join(missing, ","))
	return command.ErrNegative
}
