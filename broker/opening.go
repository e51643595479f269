package broker

import "runtime"

// opening bounds how many compressed batches are opened side by side. One of a few
// KiB may open to the limit of tens of MiB, so that no more are open than keep the
// processors busy.
type opening chan struct{}

func newOpening() opening { return make(opening, runtime.GOMAXPROCS(0)) }

// begin waits until a batch may be opened, and returns what ends it.
func (o opening) begin(compressed bool) (done func()) {
	if !compressed {
		return func() {}
	}
	o <- struct{}{}
	return func() { <-o }
}
