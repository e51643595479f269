package ledger

import (
	"fmt"
	"slices"
)

// violationsTold bounds those of one kind that are told in words; all are counted.
const violationsTold = 5

func (j *Judge) complain(kind, format string, args ...any) {
	if j.wrongAll[kind]++; j.wrongAll[kind] <= violationsTold {
		j.wrong = append(j.wrong, kind+": "+fmt.Sprintf(format, args...))
	}
}

// Violations is everything that was found, in words; of many of one kind the
// first few, and their number.
func (j *Judge) Violations() []string {
	all := slices.Clone(j.wrong)
	for kind, n := range j.wrongAll {
		if n > violationsTold {
			all = append(all, fmt.Sprintf("%s: %d in all", kind, n))
		}
	}
	slices.Sort(all)
	return all
}

// Found is how many violations there are of some kinds.
func (j *Judge) Found(kinds ...string) (n int64) {
	for _, kind := range kinds {
		n += j.wrongAll[kind]
	}
	return n
}

// Counts are what the judge was told and has read.
func (j *Judge) Counts() (transfers, acks, claims int64) {
	for _, r := range j.replays {
		transfers += r.Transfers
	}
	return transfers, j.acks, int64(j.claims)
}
