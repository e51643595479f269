package notify

// Signal is one pending notification or none. The zero value is of no use.
type Signal chan struct{}

// New returns a Signal with no notification pending.
func New() Signal { return make(Signal, 1) }

// Notify makes a notification pending, if there is none. It never blocks.
func (s Signal) Notify() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// Clear takes a pending notification back.
func (s Signal) Clear() {
	select {
	case <-s:
	default:
	}
}
