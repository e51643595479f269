package broker

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/quota"
)

// The types of entities that have quotas, and how a filter matches one.
const (
	quotaOfUser   = "user"
	quotaOfClient = "client-id"
	quotaOfIP     = "ip"

	matchExact   = 0
	matchDefault = 1
	matchAny     = 2
)

// describeClientQuotas lists quotas of the entities that a filter chooses.
func (s *Server) describeClientQuotas(_ *transport.Exchange, req *kmsg.DescribeClientQuotasRequest) kmsg.Response {
	resp := respond[*kmsg.DescribeClientQuotasResponse](req)
	matches, code, err := quotaFilter(req)
	if err != nil {
		resp.ErrorCode, resp.ErrorMessage = code.Code, textOf(err)
		return resp
	}
	resp.Entries = []kmsg.DescribeClientQuotasResponseEntry{}
	set := s.cluster.Image().Quotas()
	for _, e := range sortedEntities(set) {
		if !matches(e) {
			continue
		}
		out := kmsg.DescribeClientQuotasResponseEntry{}
		for _, p := range partsOf(e) {
			out.Entity = append(out.Entity, kmsg.DescribeClientQuotasResponseEntryEntity{Type: p.kind, Name: p.name()})
		}
		values := set.Limits(e).Values
		for _, key := range slices.Sorted(maps.Keys(values)) {
			out.Values = append(out.Values, kmsg.DescribeClientQuotasResponseEntryValue{Key: key, Value: values[key]})
		}
		resp.Entries = append(resp.Entries, out)
	}
	return resp
}

// quotaPart is a part of an entity that says something.
type quotaPart struct {
	kind string
	quota.Part
}

// name is null for the default.
func (p *quotaPart) name() *string {
	if p.Default {
		return nil
	}
	return &p.Name
}

func partsOf(e quota.Entity) (parts []quotaPart) {
	if e.User.Is() {
		parts = append(parts, quotaPart{quotaOfUser, e.User})
	}
	if e.ClientID.Is() {
		parts = append(parts, quotaPart{quotaOfClient, e.ClientID})
	}
	return parts
}

func sortedEntities(set *quota.Set) []quota.Entity {
	all := set.Entities()
	slices.SortFunc(all, func(a, b quota.Entity) int {
		return cmp.Or(cmp.Compare(fmt.Sprint(a.User), fmt.Sprint(b.User)), cmp.Compare(fmt.Sprint(a.ClientID), fmt.Sprint(b.ClientID)))
	})
	return all
}

// quotaFilter is which entities a request chooses. A part that it does not name may be
// there unless it is strict.
func quotaFilter(req *kmsg.DescribeClientQuotasRequest) (matches func(quota.Entity) bool, code *kerr.Error, err error) {
	components := map[string]kmsg.DescribeClientQuotasRequestComponent{}
	for _, c := range req.Components {
		if _, twice := components[c.EntityType]; twice {
			return nil, kerr.InvalidRequest, fmt.Errorf("Entity type %s cannot appear more than once in the filter.", c.EntityType) //nolint:staticcheck // Kafka's
		}
		switch {
		case c.EntityType != quotaOfUser && c.EntityType != quotaOfClient && c.EntityType != quotaOfIP:
			return nil, kerr.UnsupportedVersion, fmt.Errorf("Custom entity type '%s' not supported", c.EntityType) //nolint:staticcheck // Kafka's
		case c.MatchType < matchExact || c.MatchType > matchAny, (c.MatchType == matchExact) != (c.Match != nil):
			return nil, kerr.InvalidRequest, fmt.Errorf("match type %d of %s with this name makes no sense", c.MatchType, c.EntityType)
		}
		components[c.EntityType] = c
	}
	if _, ip := components[quotaOfIP]; ip && len(components) > 1 {
		return nil, kerr.InvalidRequest, fmt.Errorf("Invalid entity filter component combination") //nolint:staticcheck // Kafka's
	}
	return func(e quota.Entity) bool {
		for kind, part := range map[string]quota.Part{quotaOfUser: e.User, quotaOfClient: e.ClientID, quotaOfIP: {}} {
			c, asked := components[kind]
			if asked && !matchesPart(&c, part) || !asked && req.Strict && part.Is() {
				return false
			}
		}
		return true
	}, nil, nil
}

func matchesPart(c *kmsg.DescribeClientQuotasRequestComponent, p quota.Part) bool {
	switch c.MatchType {
	case matchExact:
		return p.Named && p.Name == *c.Match
	case matchDefault:
		return p.Default
	}
	return p.Is()
}
