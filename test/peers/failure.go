package main

import "sync"

// failure keeps the first of the errors that answers bring.
type failure struct {
	mu  sync.Mutex
	err error
}

func (f *failure) is(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

func (f *failure) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}
