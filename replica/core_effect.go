package replica

import "github.com/lockstep-log/lockstep/protocol"

// CoreEffectKind says what an CoreEffect asks for.
type CoreEffectKind uint8

// The kinds of CoreEffect.
const (
	// CoreRole: the role, or the leader epoch it is held in, has changed. A
	// driver that no longer leads answers all that waits with ErrNotLeader.
	CoreRole CoreEffectKind = iota + 1
	// CoreCommit: the high watermark has moved to Offset; complete what waited for it.
	CoreCommit
	// CoreConfirm: this broker led when Round began, see ConfirmLeadership.
	CoreConfirm
	// CoreFetch: send Fetch to the leader, and give its answer to FetchAnswered.
	CoreFetch
	// CoreAppend: append the batches that came with the answer, fold them,
	// call Appended, sync, and call Synced.
	CoreAppend
	// CoreTruncate: cut the log's end back to Offset, durably, fold again, and call Truncated.
	CoreTruncate
	// CoreRestart: empty the log so that it begins anew at Offset, fold again, and call Truncated.
	CoreRestart
	// CoreAlterISR: ask the metadata for ISR, and tell the outcome to ISRAnswered.
	CoreAlterISR
	// CoreResign: ask the metadata to take this replica out of the ISR and
	// to elect another leader, because it can serve no more.
	CoreResign
)

// CoreEffect is one thing that the driver is to do. Effects are done in order.
type CoreEffect struct {
	Kind   CoreEffectKind
	Offset protocol.Offset
	Round  int64
	Fetch  Fetch
	ISR    protocol.ISRChange
}

// NextEffect takes the oldest effect that is to be done. The driver calls it
// until there is none, after every call of another method; what it does may
// call the core again, which then adds effects behind those that wait.
func (c *Core) NextEffect() (CoreEffect, bool) {
	if len(c.effects) == 0 {
		return CoreEffect{}, false
	}
	e := c.effects[0]
	n := copy(c.effects, c.effects[1:])
	c.effects = c.effects[:n]
	return e, true
}

func (c *Core) emit(e CoreEffect) { c.effects = append(c.effects, e) }
