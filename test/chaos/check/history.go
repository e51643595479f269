package check

import (
	"fmt"
	"time"
)

// Place is a partition.
type Place struct {
	Topic     string
	Partition int32
}

func (p Place) String() string { return fmt.Sprintf("%s-%d", p.Topic, p.Partition) }

// Outcome is what the writer was told.
type Outcome int

const (
	Unknown Outcome = iota // nothing for certain: it may be in the log
	Acked
	Refused
	Failed // it is not in the log
)

// Append is one call of a writer. Its values are unique in the whole run.
type Append struct {
	Writer   string
	At       Place
	Values   []string // of its records, side by side
	ID       string   // lock-id, or empty
	Basis    int64
	Invoked  time.Duration // since the run began
	Returned time.Duration // of an unknown outcome: when it was given up
	Outcome  Outcome
	Offset   int64     // of the first record, if Acked
	Cited    *Citation // if Refused
	Said     string    // the error's text
}

// Citation is what a refusal referred to.
type Citation struct {
	Lock  string
	Basis int64
	Last  int64 // -1: none was named
	By    string
	Text  string
}

// Reading is one record as a reader was given it.
type Reading struct {
	At     Place
	Offset int64
	Value  string
}

// none is the offset of nothing.
const none = int64(-1)
