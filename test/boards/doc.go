// Package boards holds the Grafana boards of deploy/grafana to what brokers serve.
package boards
