// Package kafkago shows which features of the broker a stock kafka-go client
// uses. It has tests alone.
package kafkago
