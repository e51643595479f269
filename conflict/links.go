package conflict

// links finds, within one batch, the earlier append that marks the same lock
// or has the same lock-id. It is a table of places, probed linearly and
// cleared for each batch.
type links struct {
	places []int32 // place + 1; 0 is empty
}

func (t *links) reset(n int) {
	size := 16
	for size < 2*n {
		size *= 2
	}
	if cap(t.places) < size {
		t.places = make([]int32, size)
		return
	}
	t.places = t.places[:size]
	clear(t.places)
}

// linkLocks sets lock.earlier, once: only who judges the long way needs it. In a
// batch of one append there is nothing to link.
func (r *Request) linkLocks() {
	if r.linked || len(r.appends) < 2 {
		return
	}
	r.linked = true
	r.links.reset(len(r.locks))
	places := r.links.places
	for i := range r.locks {
		l := &r.locks[i]
		if l.is(all) {
			continue // judged by the records before it, not by marks
		}
		at := l.hash.hi & uint64(len(places)-1)
		for places[at] != 0 && r.locks[places[at]-1].hash != l.hash {
			at = (at + 1) & uint64(len(places)-1)
		}
		l.earlier = places[at] - 1
		if l.earlier >= 0 && r.locks[l.earlier].append == l.append {
			l.earlier = r.locks[l.earlier].earlier
		}
		if l.is(marks) {
			places[at] = int32(i) + 1
		}
	}
}

// linkIDs sets lockID.twin.
func (r *Request) linkIDs() {
	if len(r.ids) < 2 {
		return
	}
	r.links.reset(len(r.ids))
	places := r.links.places
	for i := range r.ids {
		id := &r.ids[i]
		at := id.hash.hi & uint64(len(places)-1)
		for places[at] != 0 && r.ids[places[at]-1].hash != id.hash {
			at = (at + 1) & uint64(len(places)-1)
		}
		id.twin = places[at] - 1
		places[at] = int32(i) + 1
	}
}

// markedBefore reports whether a judged lock among some, given by their places,
// is marked by one before it.
func (r *Request) markedBefore(some []int32) bool {
	if len(some) < 2 {
		return false
	}
	r.links.reset(len(some))
	places := r.links.places
	for _, i := range some {
		l := &r.locks[i]
		at := l.hash.hi & uint64(len(places)-1)
		for places[at] != 0 && r.locks[places[at]-1].hash != l.hash {
			at = (at + 1) & uint64(len(places)-1)
		}
		if places[at] != 0 && l.is(judged) {
			return true
		}
		if l.is(marks) {
			places[at] = i + 1
		}
	}
	return false
}
