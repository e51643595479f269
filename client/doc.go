// Package client is the extended producer: conditional appends with a verdict
// each, over a kgo.Client that the caller supplies.
package client
