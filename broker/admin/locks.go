package admin

import (
	"net/http"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// locksHere is what one broker knows of some locks in all partitions of a topic
// that it holds. The leader's word on who wrote one counts; refusals were made by
// whoever led at the time, and add up.
type locksHere struct {
	Topic      string     `json:"topic"`
	Partitions int        `json:"partitions"` // of the topic, be they here or not
	Leads      []int32    `json:"leads"`
	Locks      []lockHere `json:"locks"` // those that are known
}

type lockHere struct {
	Partition int32           `json:"partition"`
	Lock      string          `json:"lock"`
	Last      protocol.Offset `json:"last"`
	By        string          `json:"by"`
	Refused   uint64          `json:"refused"`
	Held      *heldLock       `json:"held,omitempty"`
}

// heldLock is what an open transaction has on a lock.
type heldLock struct {
	Since     protocol.Offset `json:"since"` // the record that holds it
	By        string          `json:"by"`
	Exclusive bool            `json:"exclusive"`
}

func heldOf(state *replica.LockState) *heldLock {
	if state.Held == nil {
		return nil
	}
	return &heldLock{state.Held.Since, state.Held.By, state.Held.Exclusive}
}

// lockNamesMax bounds what one request asks of every partition.
const lockNamesMax = 64

// locks answers of many partitions at once: ?lock=acct:7&lock=acct:8.
func (h *Server) locks(w http.ResponseWriter, r *http.Request) {
	t, ok := h.topic(w, r.PathValue("topic"))
	if !ok {
		return
	}
	names := r.URL.Query()["lock"]
	if len(names) == 0 || len(names) > lockNamesMax {
		fail(w, http.StatusBadRequest, "want from 1 to %d locks, as ?lock=acct:7&lock=acct:8; got %d",
			lockNamesMax, len(names))
		return
	}
	items := make([]protocol.LockItem, len(names))
	for i, name := range names {
		item, err := protocol.ParseLockName(name)
		if err != nil {
			fail(w, http.StatusBadRequest, "%v", err)
			return
		}
		items[i] = item
	}
	out := locksHere{Topic: t.Name, Partitions: len(t.Partitions), Leads: []int32{}, Locks: []lockHere{}}
	if err := lookUp(h.src, &out, items); err != nil {
		fail(w, http.StatusServiceUnavailable, "%v", err)
		return
	}
	reply(w, http.StatusOK, out)
}

// lookUp asks each hosted partition.
func lookUp(src Source, out *locksHere, items []protocol.LockItem) error {
	hosted := src.Hosted().Topic(out.Topic)
	if hosted == nil {
		return nil
	}
	for _, p := range hosted.Partitions {
		if !p.IsOpen() {
			continue
		}
		if st := p.State(); st.Role == replica.RoleLeader && !st.SteppedAside {
			out.Leads = append(out.Leads, p.Index)
		}
		for _, item := range items {
			state, err := p.Lock(item)
			if err != nil {
				return err
			}
			if state.Last != protocol.None || state.Refused > 0 || state.Held != nil {
				out.Locks = append(out.Locks, lockHere{
					p.Index, string(item.Raw), state.Last, state.By, state.Refused, heldOf(&state),
				})
			}
		}
	}
	return nil
}

// lock answers who wrote a lock last. The name stands in the path as a header
// has it, percent-encoded once more where the path needs it.
func (h *Server) lock(w http.ResponseWriter, r *http.Request) {
	_, p, ok := h.partition(w, r.PathValue("topic"), r.PathValue("partition"))
	if !ok {
		return
	}
	item, err := protocol.ParseLockName(r.PathValue("lock"))
	if err != nil {
		fail(w, http.StatusBadRequest, "%v", err)
		return
	}
	state, err := p.Lock(item)
	switch {
	case err != nil:
		fail(w, http.StatusServiceUnavailable, "%v", err)
	case state.Last == protocol.None && state.Held == nil:
		fail(w, http.StatusNotFound, "lock %q was never written in %s-%s",
			item.Raw, r.PathValue("topic"), r.PathValue("partition"))
	default:
		reply(w, http.StatusOK, struct {
			Lock    string          `json:"lock"`
			Last    protocol.Offset `json:"last"`
			By      string          `json:"by"`
			Refused uint64          `json:"refused"`
			Held    *heldLock       `json:"held,omitempty"`
		}{string(item.Raw), state.Last, state.By, state.Refused, heldOf(&state)})
	}
}
