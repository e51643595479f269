package conflict

// links finds, within one batch, the earlier append that marks the same lock
// or has the same lock-id. It is a table of places, open to linear probing and
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

// at finds the entry for h; hashAt is the hash of what a place holds.
func (t *links) at(h hash, hashAt func(place int32) hash) *int32 {
	mask := uint64(len(t.places) - 1)
	for i := h.hi; ; i++ {
		p := &t.places[i&mask]
		if *p == 0 || hashAt(*p-1) == h {
			return p
		}
	}
}

// link sets lock.earlier and lockAppend.twin. A batch of one append has neither.
func (r *Request) link() {
	if len(r.appends) < 2 {
		return
	}
	r.linkLocks()
	r.linkIDs()
}

func (r *Request) linkLocks() {
	r.links.reset(len(r.locks))
	hashAt := func(place int32) hash { return r.locks[place].hash }
	for i := range r.locks {
		l := &r.locks[i]
		if l.all {
			continue // judged by the records before it, not by marks
		}
		p := r.links.at(l.hash, hashAt)
		l.earlier = *p - 1
		if l.earlier >= 0 && r.locks[l.earlier].append == l.append {
			l.earlier = r.locks[l.earlier].earlier
		}
		if l.marks {
			*p = int32(i) + 1
		}
	}
}

func (r *Request) linkIDs() {
	r.links.reset(len(r.appends))
	hashAt := func(place int32) hash { return r.appends[place].idHash }
	for i := range r.appends {
		a := &r.appends[i]
		if a.id.n == 0 {
			continue
		}
		p := r.links.at(a.idHash, hashAt)
		a.twin = *p - 1
		*p = int32(i) + 1
	}
}
