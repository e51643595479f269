package group

// ConsumerDescription is a group of the consumer protocol.
type ConsumerDescription struct {
	Group                  string
	State                  State
	Epoch, AssignmentEpoch int32
	Assignor               string
	Members                []ConsumerMember
}

// ConsumerMember is a member of a described group.
type ConsumerMember struct {
	Member, Instance, Rack string
	Epoch                  int32
	ClientID, Host         string
	Topics                 []string
	Pattern                string
	Assigned, Target       Partitions
	Classic                bool // speaks the classic protocol
}

// DescribeConsumer handles a ConsumerGroupDescribe for one group.
func (c *Coordinator) DescribeConsumer(groupID string) (ConsumerDescription, error) {
	g := c.groups[groupID]
	if g == nil || g.modern == nil {
		return ConsumerDescription{Group: groupID}, notConsumer(g, groupID)
	}
	mg := g.modern
	d := ConsumerDescription{
		Group: g.id, State: mg.state(), Epoch: mg.epoch, AssignmentEpoch: mg.assignmentEpoch, Assignor: mg.assignor(),
	}
	for _, m := range mg.sorted() {
		d.Members = append(d.Members, ConsumerMember{
			Member: m.id, Instance: m.instance, Rack: m.rack, Epoch: m.epoch, ClientID: m.clientID, Host: m.host,
			Topics: m.names, Pattern: m.pattern, Assigned: m.assigned, Target: m.target, Classic: m.classic != nil,
		})
	}
	return d, nil
}
