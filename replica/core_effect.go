package replica

import "github.com/lockstep-log/lockstep/protocol"

// EffectKind says what an Effect asks for.
type EffectKind uint8

// The kinds of Effect.
const (
	// EffectRole: the role, or the leader epoch it is held in, has changed. A
	// driver that no longer leads answers all that waits with ErrNotLeader.
	EffectRole EffectKind = iota + 1
	// EffectCommit: the high watermark has moved to Offset; complete what waited for it.
	EffectCommit
	// EffectConfirm: this broker led when Round began, see Confirm.
	EffectConfirm
	// EffectFetch: send Fetch to the leader, and give its answer to FetchAnswered.
	EffectFetch
	// EffectAppend: append the batches that came with the answer, fold them,
	// call Appended, sync, and call Synced.
	EffectAppend
	// EffectTruncate: cut the log's end back to Offset, durably, fold again, and call Truncated.
	EffectTruncate
	// EffectRestart: empty the log so that it begins anew at Offset, fold again, and call Truncated.
	EffectRestart
	// EffectAlterISR: ask the metadata for ISR, and tell the outcome to ISRAnswered.
	EffectAlterISR
	// EffectResign: ask the metadata to take this replica out of the ISR and
	// to elect another leader, because it can serve no more.
	EffectResign
)

// Effect is one thing that the driver is to do. Effects are done in order.
type Effect struct {
	Kind   EffectKind
	Offset protocol.Offset
	Round  int64
	Fetch  Fetch
	ISR    ISRChange
}

// NextEffect takes the oldest effect that is to be done. The driver calls it
// until there is none, after every call of another method; what it does may
// call the core again, which then adds effects behind those that wait.
func (c *Core) NextEffect() (Effect, bool) {
	if len(c.effects) == 0 {
		return Effect{}, false
	}
	e := c.effects[0]
	n := copy(c.effects, c.effects[1:])
	c.effects = c.effects[:n]
	return e, true
}

func (c *Core) emit(e Effect) { c.effects = append(c.effects, e) }
