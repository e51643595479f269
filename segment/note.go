package segment

// note takes a batch into the state: sizes, times and the index.
func (l *Log) note(nowMs int64, h header) error {
	w := &l.w
	x := &w.state.active
	if x.size == 0 {
		w.firstTime = h.maxTime
	}
	if w.openedMs == 0 {
		w.openedMs = nowMs
	}
	if x.size-w.indexedTo >= w.cfg.IndexIntervalBytes {
		if err := l.addEntry(entry{offset: h.base, pos: x.size, maxTime: x.maxTime}); err != nil {
			return err
		}
	}
	if h.maxTime > x.maxTime {
		x.maxTime, x.maxTimeBase = h.maxTime, h.base
	}
	x.size += h.size
	x.next = h.next()
	return nil
}

// addEntry adds to the index; a full chunk goes to its file.
func (l *Log) addEntry(e entry) error {
	w := &l.w
	w.indexedTo = e.pos
	w.state.tail = append(w.state.tail, e)
	w.state.active.entries++
	if len(w.state.tail) < chunkEntries {
		return nil
	}
	err := l.writeTail()
	w.state.tail, w.tailWritten = nil, 0
	return err
}

// writeTail writes the index's last chunk at its place, be it full or not.
func (l *Log) writeTail() error {
	w := &l.w
	if len(w.state.tail) == w.tailWritten {
		return nil
	}
	if w.index == nil {
		f, err := l.fs.OpenReadWrite(l.indexPath(w.state.active.segment), diskWrites)
		if err != nil {
			return err
		}
		w.index = f
	}
	n := (w.state.active.entries - int64(len(w.state.tail))) / chunkEntries
	w.tailWritten = len(w.state.tail)
	_, err := w.index.WriteAt(encodeChunk(w.state.active.base, n, w.state.tail), n*chunkSize)
	return err
}
