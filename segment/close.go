package segment

import "errors"

// Close syncs, and marks the log as closed cleanly, so that the next Open reads
// none of its batches and takes any damage for what it is. A log that failed is
// left as it is. Ranges that were read stay good.
func (l *Log) Close() error {
	if l.closed.Swap(true) {
		return ErrClosed
	}
	err := l.w.failed
	if err == nil && !l.w.clean {
		err = l.fail("close", l.writeCleanMark())
	}
	closeErr := l.w.closeFiles()
	if l.ownFiles {
		closeErr = errors.Join(closeErr, l.files.Close())
	}
	if err == nil {
		err = closeErr
	}
	return err
}

// writeCleanMark cuts the zeros off and writes the clean mark.
func (l *Log) writeCleanMark() error {
	w := &l.w
	if err := l.syncAll(); err != nil {
		return err
	}
	if err := w.closeFiles(); err != nil {
		return err
	}
	if w.filled > w.written {
		if err := l.shrinkActive(&w.state.active); err != nil {
			return err
		}
	}
	w.clean = true
	return l.writeManifest()
}
