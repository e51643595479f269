// Package e2e runs the real broker as a process of its own, with stock clients,
// kill -9 and restarts, and checks what was promised. Everything is on loopback
// and in temporary directories; what is not installed is skipped in words.
package e2e
