package broker

import (
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/broker/transport"
)

// describeLogDirs tells of the one data directory and how large the partitions
// in it are. Partitions that are asked for and not here are left out, as in Kafka.
func (s *Server) describeLogDirs(_ *transport.Exchange, req *kmsg.DescribeLogDirsRequest) kmsg.Response {
	resp := respond[*kmsg.DescribeLogDirsResponse](req)
	dir := kmsg.NewDescribeLogDirsResponseDir()
	dir.Dir = s.logDir()
	if u, err := s.fs.GetDiskUsage(s.cfg.DataDir); err == nil {
		dir.TotalBytes, dir.UsableBytes = clampBytes(u.TotalBytes), clampBytes(u.AvailBytes)
	}
	dir.Topics = s.logSizes(wantedLogs(req))
	resp.Dirs = append(resp.Dirs, dir)
	return resp
}

// logDir is the data directory as clients are told of it.
func (s *Server) logDir() string {
	if abs, err := filepath.Abs(s.cfg.DataDir); err == nil {
		return abs
	}
	return s.cfg.DataDir
}

func clampBytes(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

// wantedLogs is the partitions asked for; nil stands for all.
func wantedLogs(req *kmsg.DescribeLogDirsRequest) map[namedPartition]bool {
	if req.Topics == nil {
		return nil
	}
	wanted := make(map[namedPartition]bool)
	for i := range req.Topics {
		for _, index := range req.Topics[i].Partitions {
			wanted[namedPartition{req.Topics[i].Topic, index}] = true
		}
	}
	return wanted
}

func (s *Server) logSizes(wanted map[namedPartition]bool) []kmsg.DescribeLogDirsResponseDirTopic {
	var topics []kmsg.DescribeLogDirsResponseDirTopic
	at := make(map[string]int)
	s.hosted.Each(func(t *partitions.Topic, p *partitions.Partition) {
		if wanted != nil && !wanted[namedPartition{t.Name, p.Index}] {
			return
		}
		i, ok := at[t.Name]
		if !ok {
			i, at[t.Name] = len(topics), len(topics)
			topics = append(topics, kmsg.DescribeLogDirsResponseDirTopic{Topic: t.Name})
		}
		topics[i].Partitions = append(topics[i].Partitions, kmsg.DescribeLogDirsResponseDirTopicPartition{
			Partition: p.Index, Size: p.Log().Size(),
		})
	})
	slices.SortFunc(topics, func(a, b kmsg.DescribeLogDirsResponseDirTopic) int { return strings.Compare(a.Topic, b.Topic) })
	return topics
}
