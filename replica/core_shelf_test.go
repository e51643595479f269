package replica

import (
	"fmt"
	"sort"
	"strings"

	"github.com/lockstep-log/lockstep/protocol"
)

// shelf is a log of epochs alone: what a Core sees of one.
type shelf struct {
	start  protocol.Offset
	epochs []protocol.LeaderEpoch // of start, start+1, ...
}

func (s *shelf) Start() protocol.Offset { return s.start }
func (s *shelf) End() protocol.Offset   { return s.start + protocol.Offset(len(s.epochs)) }

func (s *shelf) LatestEpoch() protocol.LeaderEpoch {
	if len(s.epochs) == 0 {
		return -1
	}
	return s.epochs[len(s.epochs)-1]
}

func (s *shelf) EpochEnd(asked protocol.LeaderEpoch) (protocol.LeaderEpoch, protocol.Offset) {
	if asked < 0 || asked > s.LatestEpoch() {
		return -1, -1
	}
	i := sort.Search(len(s.epochs), func(i int) bool { return s.epochs[i] > asked })
	if i == 0 {
		return asked, s.start
	}
	return s.epochs[i-1], s.start + protocol.Offset(i)
}

func (s *shelf) append(epochs ...protocol.LeaderEpoch) { s.epochs = append(s.epochs, epochs...) }

func (s *shelf) truncate(to protocol.Offset) {
	s.start = min(s.start, to)
	s.epochs = s.epochs[:to-s.start]
}

func (s *shelf) restart(at protocol.Offset) { s.start, s.epochs = at, nil }

// from is what a fetch at an offset gets, at most n offsets of it.
func (s *shelf) from(o protocol.Offset, n int) []protocol.LeaderEpoch {
	rest := s.epochs[o-s.start:]
	return rest[:min(n, len(rest))]
}

// String is the runs of epochs: "0..3 e1, 3..5 e2".
func (s *shelf) String() string {
	var runs []string
	for i := 0; i < len(s.epochs); {
		j := i
		for j < len(s.epochs) && s.epochs[j] == s.epochs[i] {
			j++
		}
		runs = append(runs, fmt.Sprintf("%d..%d e%d", int(s.start)+i, int(s.start)+j, s.epochs[i]))
		i = j
	}
	if runs == nil {
		return fmt.Sprintf("empty at %d", s.start)
	}
	return strings.Join(runs, ", ")
}
