package client

// Option changes a default of New.
type Option func(*options)

type options struct{}
