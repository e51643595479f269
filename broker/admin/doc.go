// Package admin shows what a broker is and does: health, metrics, and questions
// about locks, by HTTP on the port for administrators. It changes nothing.
//
// What it shows it reads through [Source], which the broker implements. What
// is counted where it happens is counted in [Metrics], which the broker hands on:
// nobody else knows Prometheus. Names of metrics, paths and JSON are fixed by the
// project's contract, and held by the broker's tests.
//
// Everything here may be called from any goroutine.
package admin
