package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
)

// alterReplicaLogDirs says what becomes of replicas that are to lie in a directory
// (KIP-113). There is one: they are there already, or that directory is not.
func (s *Server) alterReplicaLogDirs(_ *transport.Exchange, req *kmsg.AlterReplicaLogDirsRequest) kmsg.Response {
	resp := respond[*kmsg.AlterReplicaLogDirsResponse](req)
	wanted := map[namedPartition]string{} // as in Kafka, the last directory named counts
	var order []namedPartition
	for i := range req.Dirs {
		d := &req.Dirs[i]
		for _, t := range d.Topics {
			for _, index := range t.Partitions {
				id := namedPartition{t.Topic, index}
				if _, twice := wanted[id]; !twice {
					order = append(order, id)
				}
				wanted[id] = d.Dir
			}
		}
	}
	at := map[string]int{}
	for _, id := range order {
		i, ok := at[id.topic]
		if !ok {
			i, at[id.topic] = len(resp.Topics), len(resp.Topics)
			resp.Topics = append(resp.Topics, kmsg.AlterReplicaLogDirsResponseTopic{Topic: id.topic})
		}
		resp.Topics[i].Partitions = append(resp.Topics[i].Partitions, kmsg.AlterReplicaLogDirsResponseTopicPartition{
			Partition: id.index, ErrorCode: codeOf(s.refuseLogDir(id, wanted[id])),
		})
	}
	return resp
}

func (s *Server) refuseLogDir(id namedPartition, dir string) error {
	if dir != s.logDir() {
		return kerr.LogDirNotFound
	}
	t, ok := s.cluster.Image().Topic(id.topic)
	if !ok || id.index < 0 || int(id.index) >= len(t.Partitions) {
		return kerr.UnknownTopicOrPartition
	}
	p := s.hosted.Topic(id.topic).Partition(id.index)
	switch {
	case p == nil:
		return kerr.ReplicaNotAvailable // what NOT_LEADER_OR_FOLLOWER is called in this API
	case p.Partition == nil:
		return kerr.KafkaStorageError
	}
	return nil
}
