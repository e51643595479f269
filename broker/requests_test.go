package broker

import "github.com/twmb/franz-go/pkg/kmsg"

// The requests of the tests, each with one topic or resource.

func metadataRequest(topics ...string) *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	for _, name := range topics {
		req.Topics = append(req.Topics, kmsg.MetadataRequestTopic{Topic: kmsg.StringPtr(name)})
	}
	return req
}

// deleteTopicRequest names the topic in the fields of all versions.
func deleteTopicRequest(names ...string) *kmsg.DeleteTopicsRequest {
	req := kmsg.NewPtrDeleteTopicsRequest()
	for _, name := range names {
		req.TopicNames = append(req.TopicNames, name)
		req.Topics = append(req.Topics, kmsg.DeleteTopicsRequestTopic{Topic: kmsg.StringPtr(name)})
	}
	return req
}

func partitionsRequest(name string, count int32) *kmsg.CreatePartitionsRequest {
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.Topics = append(req.Topics, kmsg.CreatePartitionsRequestTopic{Topic: name, Count: count})
	return req
}

func describeConfigsRequest(kind kmsg.ConfigResourceType, name string, configs ...string) *kmsg.DescribeConfigsRequest {
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.Resources = append(req.Resources, kmsg.DescribeConfigsRequestResource{ResourceType: kind, ResourceName: name, ConfigNames: configs})
	return req
}

func replaceConfigsRequest(kind kmsg.ConfigResourceType, name string, configs ...string) *kmsg.AlterConfigsRequest {
	req := kmsg.NewPtrAlterConfigsRequest()
	rr := kmsg.AlterConfigsRequestResource{ResourceType: kind, ResourceName: name}
	for i := 0; i+1 < len(configs); i += 2 {
		rr.Configs = append(rr.Configs, kmsg.AlterConfigsRequestResourceConfig{Name: configs[i], Value: &configs[i+1]})
	}
	req.Resources = append(req.Resources, rr)
	return req
}

func changeConfigsRequest(topic string, op kmsg.IncrementalAlterConfigOp, name, value string) *kmsg.IncrementalAlterConfigsRequest {
	return changeResourceRequest(kmsg.ConfigResourceTypeTopic, topic, op, name, value)
}

func changeResourceRequest(kind kmsg.ConfigResourceType, resource string, op kmsg.IncrementalAlterConfigOp, name, value string) *kmsg.IncrementalAlterConfigsRequest {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Resources = append(req.Resources, kmsg.IncrementalAlterConfigsRequestResource{
		ResourceType: kind, ResourceName: resource,
		Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: name, Op: op, Value: &value}},
	})
	return req
}

func listOffsetsRequest(topic string, timestamps ...int64) *kmsg.ListOffsetsRequest {
	req := kmsg.NewPtrListOffsetsRequest()
	rt := kmsg.ListOffsetsRequestTopic{Topic: topic}
	for _, ts := range timestamps {
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Timestamp = ts
		rt.Partitions = append(rt.Partitions, rp)
	}
	req.Topics = append(req.Topics, rt)
	return req
}

func leaderEpochRequest(topic string, epoch int32) *kmsg.OffsetForLeaderEpochRequest {
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	rp := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	rp.LeaderEpoch = epoch
	req.Topics = append(req.Topics, kmsg.OffsetForLeaderEpochRequestTopic{
		Topic: topic, Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{rp},
	})
	return req
}

// coordinatorRequest names the key in the fields of all versions.
func coordinatorRequest(kind int8, keys ...string) *kmsg.FindCoordinatorRequest {
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorType, req.CoordinatorKey, req.CoordinatorKeys = kind, keys[0], keys
	return req
}

func describeProducersRequest(topic string, partitions ...int32) *kmsg.DescribeProducersRequest {
	req := kmsg.NewPtrDescribeProducersRequest()
	req.Topics = append(req.Topics, kmsg.DescribeProducersRequestTopic{Topic: topic, Partitions: partitions})
	return req
}

// deleteRecordsRequest is for partition 0.
func deleteRecordsRequest(topic string, before int64) *kmsg.DeleteRecordsRequest {
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.Topics = append(req.Topics, kmsg.DeleteRecordsRequestTopic{
		Topic: topic, Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Offset: before}},
	})
	return req
}
