package floor

import (
	"encoding/binary"
	"net"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	keyProduce        = 0
	keyFetch          = 1
	keyListOffsets    = 2
	keyMetadata       = 3
	keyApiVersions    = 18
	keyInitProducerID = 22
)

// served is what the floor speaks: versions without tagged fields, so that one
// header layout does for all. ApiVersions is the exception that clients need.
var served = []struct{ key, min, max int16 }{
	{keyProduce, 3, 8},
	{keyFetch, 4, 4},
	{keyListOffsets, 1, 5},
	{keyMetadata, 1, 8},
	{keyApiVersions, 0, 4},
	{keyInitProducerID, 0, 1},
}

// appendOther answers what a stock client asks before it produces or fetches.
func (r *request) appendOther(dst []byte, self net.Addr) ([]byte, error) {
	resp, err := r.answerOther(self)
	if err != nil {
		return dst, err
	}
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = kbin.AppendInt32(dst, r.corr)
	dst = resp.AppendTo(dst)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst, nil
}

func (r *request) answerOther(self net.Addr) (kmsg.Response, error) {
	if r.key == keyApiVersions {
		return r.apiVersions(), nil
	}
	req := kmsg.RequestForKey(r.key)
	if req == nil {
		return nil, errUnserved
	}
	req.SetVersion(r.version)
	if err := req.ReadFrom(r.body); err != nil || req.IsFlexible() {
		return nil, errUnserved
	}
	switch req := req.(type) {
	case *kmsg.MetadataRequest:
		return metadata(req, self.(*net.TCPAddr)), nil
	case *kmsg.ListOffsetsRequest:
		return listOffsets(req), nil
	case *kmsg.InitProducerIDRequest:
		resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
		resp.ProducerID, resp.ProducerEpoch = 1, 0
		return resp, nil
	}
	return nil, errUnserved
}

func (r *request) apiVersions() kmsg.Response {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.Version = r.version
	if r.version > 4 {
		resp.Version, resp.ErrorCode = 0, codeUnsupported
	}
	for _, v := range served {
		resp.ApiKeys = append(resp.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: v.key, MinVersion: v.min, MaxVersion: v.max})
	}
	return resp
}

// metadata says that every topic exists, with one partition led from here.
func metadata(req *kmsg.MetadataRequest, self *net.TCPAddr) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.MetadataResponse)
	broker := kmsg.NewMetadataResponseBroker()
	broker.NodeID, broker.Host, broker.Port = 1, self.IP.String(), int32(self.Port)
	resp.Brokers = append(resp.Brokers, broker)
	resp.ControllerID = 1
	for _, t := range req.Topics {
		partition := kmsg.NewMetadataResponseTopicPartition()
		partition.Leader, partition.LeaderEpoch = 1, 0
		partition.Replicas, partition.ISR = []int32{1}, []int32{1}
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic = t.Topic
		topic.Partitions = append(topic.Partitions, partition)
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

// listOffsets answers the start for every question: the floor's clients read from there.
func listOffsets(req *kmsg.ListOffsetsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
	for _, t := range req.Topics {
		topic := kmsg.NewListOffsetsResponseTopic()
		topic.Topic = t.Topic
		for _, p := range t.Partitions {
			partition := kmsg.NewListOffsetsResponseTopicPartition()
			partition.Partition, partition.Offset = p.Partition, 0
			topic.Partitions = append(topic.Partitions, partition)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}
