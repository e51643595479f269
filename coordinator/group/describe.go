package group

import (
	"maps"
	"slices"
)

// Listing is a group in a list.
type Listing struct {
	Group, ProtocolType string
	State               State
	Members             int
	Consumer            bool // of the consumer protocol, and not a classic one
}

// List is all groups, by id.
func (c *Coordinator) List() []Listing {
	all := make([]Listing, 0, len(c.groups))
	for _, id := range c.sorted() {
		g := c.groups[id]
		members := len(g.members)
		if g.modern != nil {
			members = len(g.modern.members)
		}
		all = append(all, Listing{id, g.protocolType, g.status(), members, g.modern != nil})
	}
	return all
}

func (c *Coordinator) sorted() []string { return slices.Sorted(maps.Keys(c.groups)) }

// Description is a group as DescribeGroups shows it. What depends on the
// assignment is there in a stable group only.
type Description struct {
	Group, ProtocolType, Protocol string
	State                         State
	Members                       []MemberDescription
}

// MemberDescription is a member of a described group.
type MemberDescription struct {
	Member, Instance     string
	ClientID, Host       string
	Metadata, Assignment []byte
}

// Describe describes a classic group.
func (c *Coordinator) Describe(groupID string) (Description, bool) {
	g := c.groups[groupID]
	if g == nil || g.modern != nil {
		return Description{Group: groupID, State: Dead}, false
	}
	d := Description{Group: g.id, ProtocolType: g.protocolType, State: g.state}
	if g.state == Stable {
		d.Protocol = g.protocol
	}
	for _, m := range g.members {
		md := MemberDescription{Member: m.id, Instance: m.instance, ClientID: m.clientID, Host: m.host}
		if g.state == Stable {
			md.Metadata, md.Assignment = m.metadata(g.protocol), m.assignment
		}
		d.Members = append(d.Members, md)
	}
	return d, true
}
