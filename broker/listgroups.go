package broker

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/group"
)

// The types of groups (KIP-848).
const (
	classicGroup  = "classic"
	consumerGroup = "consumer"
)

// listGroups lists the groups that this broker coordinates. While some of them
// are still being loaded it says so, and lists the others.
func (s *Server) listGroups(x *transport.Exchange, req *kmsg.ListGroupsRequest) kmsg.Response {
	resp := respond[*kmsg.ListGroupsResponse](req)
	resp.Groups = []kmsg.ListGroupsResponseGroup{}
	x.ReleaseFrame()
	err := s.groups.runtime.Do(func() {
		s.groups.runtime.Each(func(sh *groupShard, err error) {
			if err != nil {
				resp.ErrorCode = kerr.CoordinatorLoadInProgress.Code
				return
			}
			resp.Groups = append(resp.Groups, listing(req, sh.Machine().List())...)
		})
		slices.SortFunc(resp.Groups, func(a, b kmsg.ListGroupsResponseGroup) int { return strings.Compare(a.Group, b.Group) })
		sendResponse(x, resp)
	})
	if err != nil {
		resp.ErrorCode = codeOf(err)
		sendResponse(x, resp)
	}
	return nil
}

// listing is what a request asks to see of a list. An empty filter lets all pass.
func listing(req *kmsg.ListGroupsRequest, all []group.Listing) (out []kmsg.ListGroupsResponseGroup) {
	for _, l := range all {
		state, kind := l.State.String(), classicGroup
		if l.Consumer {
			kind = consumerGroup
		}
		if passes(req.StatesFilter, state) && passes(req.TypesFilter, kind) {
			out = append(out, kmsg.ListGroupsResponseGroup{
				Group: l.Group, ProtocolType: l.ProtocolType, GroupState: state, GroupType: kind,
			})
		}
	}
	return out
}

func passes(filter []string, what string) bool {
	return len(filter) == 0 || slices.ContainsFunc(filter, func(f string) bool { return strings.EqualFold(f, what) })
}
