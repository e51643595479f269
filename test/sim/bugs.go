package sim

// Bugs are those that a broker like this could have. Each is planted at a seam
// of the machine that ships: in what stands between it and its folds, in an event
// that it is told, or in an effect that is done for it; and a few in the metadata
// and the consumers around it. The zero value is the broker as it is meant.
type Bugs struct {
	AckBeforeSync            bool // an append counts as synced when it is written
	AckBelowMinInsync        bool // min.insync.replicas is not looked at
	TruncateToHighWatermark  bool // a follower cuts to its high watermark and compares no epochs
	NoEpochCheck             bool // a leader takes fetches of any epoch
	ShrinkBeforeStore        bool // a smaller ISR counts before the metadata has agreed
	UncleanElection          bool // a live replica is elected when no in-sync one lives
	ProducersNotRebuilt      bool // a new leader knows no producer that it did not serve itself
	ConflictBeforeDedupe     bool // locks are judged before repeats are found
	LockTableAtCommit        bool // the lock table sees a record only when it is committed
	LockTableToHighWatermark bool // a new leader's table is folded up to its high watermark only
	NarrowHash               bool // locks are told apart by a few bits of a hash
	PartialBatch             bool // what comes before the refused record of a batch is written
	ConsumersReadToEnd       bool // the leader lets consumers read beyond the high watermark
	FollowerReadsToEnd       bool // so does a follower
	IgnoreCRC                bool // what is read is not checked
	RefusalAdvances          bool // a refused batch advances its producer's sequence
	IgnoreBrokerEpochs       bool // broker epochs are not told apart
	RefuseUnproven           bool // what rests on an absence is refused without proof of leadership
	FastPathAdmits           bool // the walk that judges and marks at once admits what the long path refuses
	RetryWithoutVerdicts     bool // the retry of a batch with verdicts is told that all of it was written
	CheckpointUnsynced       bool // folds are saved while a sync is under way
	CompactToEnd             bool // what is not committed supersedes what is
	AbsenceUnproven          bool // a reader is told that something is not in the log without proof of leadership
	ListOffsetsUnproven      bool // so is where the log ends
}

// Plant is one bug, planted alone. Near is the first seed that finds it, as long
// as no fault is added; it only saves time.
type Plant struct {
	Name string
	Bugs Bugs
	Near uint64
}

// Planted are the sixteen bugs against which every log broker should be held, and
// after them those that this one was found to be in danger of.
var Planted = []Plant{
	{"acknowledge before sync", Bugs{AckBeforeSync: true}, 1},
	{"acknowledge below min.insync.replicas", Bugs{AckBelowMinInsync: true}, 3},
	{"truncate to the high watermark", Bugs{TruncateToHighWatermark: true}, 3},
	{"no epoch check on a follower's fetch", Bugs{NoEpochCheck: true}, 540},
	{"shrink the ISR before the metadata agrees", Bugs{ShrinkBeforeStore: true}, 4},
	{"unclean election", Bugs{UncleanElection: true}, 1},
	{"producers not rebuilt", Bugs{ProducersNotRebuilt: true}, 1},
	{"conflict check before dedupe", Bugs{ConflictBeforeDedupe: true}, 2},
	{"lock table at commit", Bugs{LockTableAtCommit: true}, 1},
	{"lock table folded to the high watermark only", Bugs{LockTableToHighWatermark: true}, 2},
	{"narrow hash of locks", Bugs{NarrowHash: true}, 1},
	{"partial batch", Bugs{PartialBatch: true}, 1},
	{"consumers read to the log end", Bugs{ConsumersReadToEnd: true}, 1},
	{"followers serve beyond their high watermark", Bugs{FollowerReadsToEnd: true}, 1},
	{"checksums ignored on read", Bugs{IgnoreCRC: true}, 15},
	{"refusal advances the sequence", Bugs{RefusalAdvances: true}, 1},
	{"broker epochs ignored", Bugs{IgnoreBrokerEpochs: true}, 1},
	{"refuse without proof of leadership", Bugs{RefuseUnproven: true}, 3},
	{"the fast path admits what the long path refuses", Bugs{FastPathAdmits: true}, 1},
	{"a verdict per append loses its skip on retry", Bugs{RetryWithoutVerdicts: true}, 2},
	{"a checkpoint speaks of what a power cut takes", Bugs{CheckpointUnsynced: true}, 95},
	{"a compaction drops a newest mark", Bugs{CompactToEnd: true}, 192},
	{"absence told without proof of leadership", Bugs{AbsenceUnproven: true}, 2},
	{"log end told without proof of leadership", Bugs{ListOffsetsUnproven: true}, 2},
}
