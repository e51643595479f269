// Package crossread reads with franz-go what the other clients have written in
// the same run: their records byte for byte, in the codec that was asked for,
// each once and in order. It has tests alone and skips where run.sh has not
// started a broker.
package crossread
