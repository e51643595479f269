// Package house holds the rules of this code base as tests: which package may
// import which, where a dependency must stop, that every package says what it
// is, and that the source is formatted.
//
// The rules are data at the top of each file. A rule that stands in the way is
// changed here, in the same commit as the code that needs it, with the reason
// in ARCHITECTURE.md. The package has no code of its own.
package house
