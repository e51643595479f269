// Package freeport gives tests addresses for servers of other processes, which
// listen on them a moment later, and again after a restart.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// The ports lie below those that the system gives to connections: one of
// those could be taken by anybody's connection before the server listens.
const (
	first = 10_000
	last  = 29_999
	tries = 1000
)

var given struct {
	sync.Mutex
	ports map[int]bool // by this process, so that no two of its servers get one
}

// Loopback is a loopback address, HOST:PORT, that nobody listens on.
func Loopback() (string, error) {
	given.Lock()
	defer given.Unlock()
	if given.ports == nil {
		given.ports = map[int]bool{}
	}
	for range tries {
		port := first + rand.IntN(last-first+1)
		if given.ports[port] {
			continue
		}
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			continue // somebody has it
		}
		if err := ln.Close(); err != nil {
			return "", err
		}
		given.ports[port] = true
		return addr, nil
	}
	return "", fmt.Errorf("no free port from %d to %d in %d tries", first, last, tries)
}
