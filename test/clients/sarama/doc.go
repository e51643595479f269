// Package sarama shows which features of the broker a stock sarama client
// uses. It has tests alone.
package sarama
