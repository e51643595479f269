// Package interop holds record's reading and writing of batches against a
// foreign client, franz-go, on both sides. It stands here so that who imports
// protocol inherits no fake cluster. The package has no code of its own.
package interop
