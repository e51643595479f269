package sim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

// txnRecord is one record of a log, and what became of it.
type txnRecord struct {
	at                   protocol.Offset
	tag                  string
	writes, reads, blind []string
	producer             protocol.ProducerID // of its transaction; NoProducer: none
	marker               protocol.Offset     // that decided it; None: it stands alone, or is undecided
	commit               bool
}

// counts reports whether the record is decided, and not aborted.
func (r *txnRecord) counts() bool { return r.producer == protocol.NoProducer || r.commit }

func (r *txnRecord) undecided() bool {
	return r.producer != protocol.NoProducer && r.marker == protocol.None
}

// records reads the log as it stands.
func (p *txnPart) records() (all []*txnRecord) {
	open := map[protocol.ProducerID][]*txnRecord{}
	for _, b := range p.disk.batches {
		recs, err := b.Open(record.Limits{})
		if err != nil {
			p.w.fail("partition %d: %w", p.index, err)
			return nil
		}
		if m, ok := recs.Marker(); ok && b.Control() {
			for _, r := range open[b.ProducerID()] {
				r.marker, r.commit = b.BaseOffset(), m.Commit
			}
			delete(open, b.ProducerID())
			continue
		}
		for w := recs.Walk(); w.Next(); {
			r := &txnRecord{
				at: b.BaseOffset() + protocol.Offset(w.OffsetDelta), tag: string(w.Value), producer: protocol.NoProducer, marker: protocol.None,
			}
			r.readLocks(&w)
			if b.Transactional() {
				r.producer = b.ProducerID()
				open[r.producer] = append(open[r.producer], r)
			}
			all = append(all, r)
		}
	}
	return all
}

func (r *txnRecord) readLocks(w *record.Walker) {
	for headers := w.Headers(); ; {
		key, value, ok := headers.Next()
		if !ok {
			return
		}
		switch string(key) {
		case protocol.HeaderLockWrite:
			r.writes = strings.Fields(string(value))
		case protocol.HeaderLockRead:
			r.reads = strings.Fields(string(value))
		case protocol.HeaderLockAppend:
			r.blind = strings.Fields(string(value))
		}
	}
}

func (p *txnPart) batchAt(o protocol.Offset) record.Batch { return p.disk.batches[p.disk.at(o)] }

func (p *txnPart) marksLock(b record.Batch, lock string) bool {
	return slices.ContainsFunc(p.records(), func(r *txnRecord) bool {
		return r.at == b.BaseOffset() && (slices.Contains(r.writes, lock) || slices.Contains(r.blind, lock))
	})
}

// abortedMark is the newest aborted record that names a lock of the request; None.
func (p *txnPart) abortedMark(s *txnSend) protocol.Offset {
	last := protocol.None
	for _, r := range p.records() {
		if len(s.writes) > 0 && r.marker != protocol.None && !r.commit && slices.Contains(r.writes, s.writes[0]) {
			last = r.at
		}
	}
	return last
}

// checkStable: nothing below the last stable offset may still be decided otherwise.
func (p *txnPart) checkStable() {
	stable, hw := p.m.LastStable(), p.m.HighWatermark()
	if stable > hw {
		p.w.fail("partition %d: the last stable offset %d is above the high watermark %d", p.index, stable, hw)
	}
	for _, r := range p.records() {
		if r.at < stable && (r.undecided() || r.marker >= hw) {
			p.w.fail("partition %d: offset %d of %s is below the last stable offset %d, and undecided", p.index, r.at, r.tag, stable)
		}
	}
}

// checkRefusal: what a refusal cites must be so.
func (p *txnPart) checkRefusal(q *replica.Proposal, refusal *protocol.Refusal) {
	if refusal.LastInBatch || refusal.Kind != protocol.RefusalConflict && refusal.Kind != protocol.RefusalHeld {
		p.w.fail("partition %d: an answer that nothing explains: %s", p.index, refusal.Message())
		return
	}
	i := slices.IndexFunc(p.records(), func(r *txnRecord) bool { return r.at == refusal.Last })
	if i < 0 {
		p.w.fail("partition %d: there is no record at %d: %s", p.index, refusal.Last, refusal.Message())
		return
	}
	r := p.records()[i]
	switch {
	case refusal.Kind == protocol.RefusalConflict && !r.counts():
		p.w.fail("partition %d: a record that does not count is cited: %s", p.index, refusal.Message())
	case refusal.Kind == protocol.RefusalHeld && (!r.undecided() || r.producer == q.Batch.ProducerID()):
		p.w.fail("partition %d: nobody else holds it: %s", p.index, refusal.Message())
	}
}

// check is held against a world at rest.
func (w *txnWorld) check() {
	g := graph{}
	decisions := map[string]bool{}
	found := map[string]map[int]bool{} // committed, by tag: in which partitions
	for _, p := range w.parts {
		if n, _ := p.m.Transactions().Open(); n > 0 || p.m.LastStable() != p.disk.End() {
			w.fail("partition %d: %d transactions stay open; the last stable offset is %d of %d", p.index, n, p.m.LastStable(), p.disk.End())
		}
		p.checkReplay()
		for _, r := range p.records() {
			if before, known := decisions[r.tag]; known && before != r.counts() {
				w.fail("half of %s is committed: partition %d has offset %d of it", r.tag, p.index, r.at)
			}
			decisions[r.tag] = r.counts()
			if !r.counts() {
				continue
			}
			if found[r.tag] == nil {
				found[r.tag] = map[int]bool{}
			}
			found[r.tag][p.index] = true
			for _, lock := range slices.Concat(r.writes, r.blind) {
				g.write(fmt.Sprint(p.index, lock), r)
			}
		}
	}
	for tag, in := range w.intents {
		for part := range in.parts {
			if in.told && !found[tag][part] {
				w.fail("%s was acknowledged, and is not in partition %d", tag, part)
			}
		}
		if tag[0] == 't' && !in.told && len(found[tag]) > 0 {
			w.fail("%s was aborted, and is committed in %v", tag, found[tag])
		}
		if len(found[tag]) > 0 {
			g.read(tag, in.reads)
		}
	}
	if cycle := g.cycle(); cycle != nil && w.failure == nil {
		w.fail("no serial order: %s", strings.Join(cycle, " before "))
	}
}

// checkReplay: the table equals a replay of its log.
func (p *txnPart) checkReplay() {
	table, err := conflict.Open(conflict.Options{LogEnd: p.disk.End()})
	if err != nil {
		p.w.fail("open a table: %w", err)
		return
	}
	for _, b := range p.disk.batches {
		recs, err := b.Open(record.Limits{})
		if err != nil {
			p.w.fail("partition %d: %w", p.index, err)
			return
		}
		table.Fold(b, &recs)
	}
	want, _ := table.Digest()
	if got, _ := p.m.LockTable().Digest(); got != want {
		p.w.fail("partition %d: the lock table is not the replay of its log", p.index)
	}
}

// graph has an edge from what must come before to what must come after.
type graph struct {
	writes map[string][]*txnRecord // by partition and lock, in the order of the log
	after  map[string]map[string]bool
}

func (g *graph) write(lock string, r *txnRecord) {
	if g.writes == nil {
		g.writes = map[string][]*txnRecord{}
	}
	if all := g.writes[lock]; len(all) > 0 {
		g.edge(all[len(all)-1].tag, r.tag)
	}
	g.writes[lock] = append(g.writes[lock], r)
}

func (g *graph) edge(before, after string) {
	if before == after {
		return
	}
	if g.after == nil {
		g.after = map[string]map[string]bool{}
	}
	if g.after[before] == nil {
		g.after[before] = map[string]bool{}
	}
	g.after[before][after] = true
}

// read: what was read was written before, and the next write of it comes after.
func (g *graph) read(tag string, reads []txnRead) {
	for _, rd := range reads {
		all := g.writes[fmt.Sprint(rd.part, rd.lock)]
		for _, r := range all {
			if r.at <= rd.basis {
				g.edge(r.tag, tag)
			} else if r.tag != tag {
				g.edge(tag, r.tag)
				break
			}
		}
	}
}

// cycle is a circle of the graph, or nil.
func (g *graph) cycle() []string {
	const onPath, done = 1, 2
	state := map[string]int{}
	var path, found []string
	var visit func(tag string) bool
	visit = func(tag string) bool {
		state[tag] = onPath
		path = append(path, tag)
		for next := range g.after[tag] {
			if state[next] == onPath {
				found = append(slices.Clone(path[slices.Index(path, next):]), next)
				return true
			}
			if state[next] == 0 && visit(next) {
				return true
			}
		}
		path, state[tag] = path[:len(path)-1], done
		return false
	}
	for tag := range g.after {
		if state[tag] == 0 && visit(tag) {
			return found
		}
	}
	return nil
}
