package sim

// Bugs are mistakes that a broker like this could make. Each is planted at a seam
// of the machine that ships: in what stands between it and its folds, in an event
// that it is told, or in an effect that is done for it; and a few in the metadata
// and the consumers around it. The zero value is the broker as it is meant.
type Bugs struct {
	AckBeforeSync        bool // an append counts as synced when it is written
	AckBelowMinInsync    bool // min.insync.replicas is not looked at
	TruncateToWatermark  bool // a follower cuts to its high watermark and compares no epochs
	NoEpochCheck         bool // a leader takes fetches of any epoch
	ShrinkBeforeStore    bool // a smaller ISR counts before the metadata has agreed
	UncleanElection      bool // a live replica is elected when no in-sync one lives
	ProducersNotRebuilt  bool // a new leader knows no producer that it did not serve itself
	ConflictBeforeDedupe bool // locks are judged before repeats are found
	TableAtCommit        bool // the lock table sees a record only when it is committed
	TableToWatermark     bool // a new leader's table is folded up to its high watermark only
	NarrowHash           bool // locks are told apart by a few bits of a hash
	PartialBatch         bool // what comes before the refused record of a batch is written
	ConsumersReadToEnd   bool // the leader lets consumers read beyond the high watermark
	FollowerReadsToEnd   bool // so does a follower
	IgnoreCRC            bool // what is read is not checked
	RefusalAdvances      bool // a refused batch advances its producer's sequence
	AllLivesAreOne       bool // broker epochs are not told apart
	RefuseUnsure         bool // what rests on an absence is refused without proof of leadership
	FastPathAdmits       bool // the walk that judges and marks at once admits what the long way refuses
	RetryWithoutVerdicts bool // the retry of a batch with verdicts is told that all of it was written
	CheckpointUnsynced   bool // folds are saved while a sync is under way
	CompactToEnd         bool // what is not committed supersedes what is
	AbsentUnsure         bool // a reader is told that something is not in the log without proof of leadership
	ListUnsure           bool // so is where the log ends
}

// Plant is one bug, planted alone. Near is a seed that is known to find it when
// most do not; it only saves time.
type Plant struct {
	Name string
	Bugs Bugs
	Near uint64
}

// Planted are the sixteen mistakes that every log broker should be held
// against, and after them those that this one was found to be in danger of.
var Planted = []Plant{
	{"acknowledge before sync", Bugs{AckBeforeSync: true}, 1},
	{"acknowledge below min.insync.replicas", Bugs{AckBelowMinInsync: true}, 8},
	{"truncate to the high watermark", Bugs{TruncateToWatermark: true}, 5},
	{"no epoch check on a follower's fetch", Bugs{NoEpochCheck: true}, 540},
	{"shrink the ISR before the metadata agrees", Bugs{ShrinkBeforeStore: true}, 23},
	{"unclean election", Bugs{UncleanElection: true}, 1},
	{"producers not rebuilt", Bugs{ProducersNotRebuilt: true}, 1},
	{"conflict check before dedupe", Bugs{ConflictBeforeDedupe: true}, 1},
	{"lock table at commit", Bugs{TableAtCommit: true}, 1},
	{"lock table folded to the high watermark only", Bugs{TableToWatermark: true}, 1},
	{"narrow hash of locks", Bugs{NarrowHash: true}, 2},
	{"partial batch", Bugs{PartialBatch: true}, 2},
	{"consumers read to the log end", Bugs{ConsumersReadToEnd: true}, 1},
	{"followers serve beyond their high watermark", Bugs{FollowerReadsToEnd: true}, 1},
	{"checksums ignored on read", Bugs{IgnoreCRC: true}, 15},
	{"refusal advances the sequence", Bugs{RefusalAdvances: true}, 1},
	{"lives of a broker not told apart", Bugs{AllLivesAreOne: true}, 1},
	{"refuse without proof of leadership", Bugs{RefuseUnsure: true}, 27},
	{"the fast path admits what the long path refuses", Bugs{FastPathAdmits: true}, 4},
	{"a verdict per append loses its skip on retry", Bugs{RetryWithoutVerdicts: true}, 4},
	{"a checkpoint speaks of what a power cut takes", Bugs{CheckpointUnsynced: true}, 95},
	{"a compaction drops a newest mark", Bugs{CompactToEnd: true}, 192},
	{"tell of an absence without proof of leadership", Bugs{AbsentUnsure: true}, 2},
	{"tell of the log's end without proof of leadership", Bugs{ListUnsure: true}, 2},
}
