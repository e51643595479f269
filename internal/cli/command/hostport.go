package command

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// HostPort is an address.
type HostPort struct {
	Host string // empty means every interface
	Port uint16 // 0 means any free port
}

// Addr is the address as HOST:PORT.
func (h HostPort) Addr() string { return net.JoinHostPort(h.Host, strconv.Itoa(int(h.Port))) }

// Wildcard reports whether the address names every interface, which is a
// place to bind but not a place to send a client to.
func (h HostPort) Wildcard() bool {
	if h.Host == "" {
		return true
	}
	ip := net.ParseIP(h.Host)
	return ip != nil && ip.IsUnspecified()
}

// ParseHostPort reads HOST:PORT; HOST may be empty.
func ParseHostPort(addr string) (HostPort, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return HostPort{}, fmt.Errorf("want HOST:PORT, got %q", addr)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return HostPort{}, fmt.Errorf("want a port from 0 to 65535, got %q", port)
	}
	return HostPort{Host: host, Port: uint16(n)}, nil
}

// SplitList cuts a comma list and drops the space around and the nothing
// between its commas.
func SplitList(v string) []string {
	var items []string
	for item := range strings.SplitSeq(v, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}
