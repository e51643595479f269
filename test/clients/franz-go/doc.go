// Package franzgo shows which features of the broker a stock franz-go client
// uses. It has tests alone.
package franzgo
