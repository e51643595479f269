package admin

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
)

// refusedAppend is a refusal as JSON.
type refusedAppend struct {
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Time      time.Time `json:"time"`
	Kind      string    `json:"kind"`
	ID        string    `json:"id,omitempty"`
	Lock      string    `json:"lock,omitempty"`
	Last      *int64    `json:"last,omitempty"`
	Basis     *int64    `json:"basis,omitempty"`
	By        string    `json:"by,omitempty"`
	Record    int32     `json:"record"`
	LogEnd    *int64    `json:"log_end,omitempty"`
	Client    string    `json:"client,omitempty"`
	Message   string    `json:"message"`
}

// conflicts lists the latest refusals, oldest first.
func (h *Server) conflicts(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	for name := range q {
		if !slices.Contains([]string{"topic", "partition", "id", "client"}, name) {
			fail(w, http.StatusBadRequest, "parameter %q is unknown; known are topic, partition, id and client", name)
			return
		}
	}
	if q.Has("client") && q.Has("id") {
		fail(w, http.StatusBadRequest, "client and id are two ways to ask; give one of them")
		return
	}
	index := int64(-1)
	if text := q.Get("partition"); text != "" {
		var err error
		if index, err = strconv.ParseInt(text, 10, 32); err != nil || index < 0 {
			fail(w, http.StatusBadRequest, "partition %q is not a number", text)
			return
		}
	}
	viewer := viewerOf(r)
	if name := q.Get("topic"); name != "" {
		if !viewer.MayRead(name) {
			deny(w, viewer, "you may not read topic %q", name)
			return
		}
		t, ok := h.topic(w, name)
		switch {
		case !ok:
			return
		case index >= int64(len(t.Partitions)):
			fail(w, http.StatusNotFound, "topic %q has no partition %d; it has %d", name, index, len(t.Partitions))
			return
		}
	}
	if q.Has("client") {
		reply(w, http.StatusOK, clientRefusals(h.src, q, int32(index), viewer))
		return
	}
	reply(w, http.StatusOK, latestRefusals(h.src, q, int32(index), viewer))
}

// clientRefusals are those of one client id, of the topics that the viewer may read. Where the log ended then is not told.
func clientRefusals(src Source, q url.Values, index int32, viewer Viewer) []refusedAppend {
	out := []refusedAppend{}
	for _, c := range src.ClientRefusals(protocol.PrintableShort(q.Get("client"))) {
		if name := q.Get("topic"); name != "" && name != c.Topic || index >= 0 && index != c.Partition || !viewer.MayRead(c.Topic) {
			continue
		}
		one := asJSON(c.Topic, c.Partition, &conflict.Refused{TimeMs: c.TimeMs, Refusal: c.Refusal})
		one.LogEnd, one.Client = nil, c.Client
		out = append(out, one)
	}
	return out
}

// latestRefusals are those of the topics that the viewer may read.
func latestRefusals(src Source, q url.Values, index int32, viewer Viewer) []refusedAppend {
	out := []refusedAppend{}
	readable := map[string]bool{}
	src.Hosted().Each(func(t *partitions.Topic, p *partitions.Partition) {
		if name := q.Get("topic"); name != "" && name != t.Name || index >= 0 && index != p.Index {
			return
		}
		if _, known := readable[t.Name]; !known {
			readable[t.Name] = viewer.MayRead(t.Name)
		}
		if !readable[t.Name] {
			return
		}
		latest, _ := p.Refusals()
		for i := range latest {
			e := &latest[i]
			if id := q.Get("id"); id == "" || id == e.ID || id == e.Refusal.ID {
				out = append(out, asJSON(t.Name, p.Index, e))
			}
		}
	})
	sortByTime(out)
	return out
}

// asJSON is one entry of the conflict history.
func asJSON(topic string, partition int32, e *conflict.Refused) refusedAppend {
	r := &e.Refusal
	logEnd := int64(e.LogEnd)
	out := refusedAppend{
		Topic: topic, Partition: partition, Time: time.UnixMilli(e.TimeMs).UTC(),
		Kind: r.Kind.String(), ID: e.ID, Lock: r.Lock, By: r.By, Record: r.Record,
		LogEnd: &logEnd, Message: r.Message(),
	}
	if r.Kind == protocol.RefusalDuplicate || r.ID != "" {
		out.ID = r.ID
	}
	if !r.LastInBatch && r.Last != protocol.None && r.Kind != protocol.RefusalUnknown && r.Kind != protocol.RefusalMalformed {
		last := int64(r.Last)
		out.Last = &last
	}
	if r.Kind == protocol.RefusalConflict || r.Kind == protocol.RefusalUnknown {
		basis := int64(r.Basis)
		out.Basis = &basis
	}
	return out
}

func sortByTime(all []refusedAppend) {
	slices.SortStableFunc(all, func(a, b refusedAppend) int { return a.Time.Compare(b.Time) })
}
