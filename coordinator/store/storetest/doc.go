// Package storetest is the contract of store.Store as a test suite. Each
// implementation runs it; what the suite does not ask, a caller must not rely on. Beside
// it stands what the tests of all packages over a store are set up with.
package storetest
