// Package secure has stock clients of other projects meet a broker by mutual TLS and by
// SASL over TLS. It has tests alone, which test.sh runs against a broker of its own.
package secure
