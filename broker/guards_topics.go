package broker

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/acl"
	"github.com/lockstep-log/lockstep/coordinator/image"
)

// The guards of what makes, changes and shows topics.

const authorizationFailed = "Authorization failed."

func guardCreateTopics(p *passage, req *kmsg.CreateTopicsRequest) kmsg.Response {
	denied := take(p, &req.Topics, func(t *kmsg.CreateTopicsRequestTopic) bool { return p.may(onTopic, t.Topic) })
	amend(p, func(resp *kmsg.CreateTopicsResponse) {
		for i := range resp.Topics {
			if t := &resp.Topics[i]; t.ErrorCode == 0 && !p.sees(onTopic, t.Topic) {
				t.ConfigErrorCode, t.NumPartitions, t.ReplicationFactor, t.Configs = kerr.TopicAuthorizationFailed.Code, -1, -1, nil
			}
		}
		for _, name := range namesOnce(denied, func(t *kmsg.CreateTopicsRequestTopic) string { return t.Topic }) {
			out := notCreated(name, kerr.TopicAuthorizationFailed)
			out.ErrorMessage = kmsg.StringPtr(authorizationFailed)
			resp.Topics = append(resp.Topics, out)
		}
	})
	return nil
}

// namesOnce are names as they come, each once.
func namesOnce[T any](list []T, name func(*T) string) []string {
	var names []string
	seen := map[string]bool{}
	for i := range list {
		if n := name(&list[i]); !seen[n] {
			seen[n] = true
			names = append(names, n)
		}
	}
	return names
}

// guardDeleteTopics: by an id, who may not describe the topic is told that there is
// none; who may, its name.
func guardDeleteTopics(p *passage, req *kmsg.DeleteTopicsRequest) kmsg.Response {
	byName := take(p, &req.TopicNames, func(name *string) bool { return p.may(onTopic, *name) })
	denied := take(p, &req.Topics, func(t *kmsg.DeleteTopicsRequestTopic) bool {
		name := ""
		if t.Topic != nil {
			name = *t.Topic
		} else {
			var ok bool
			if name, ok = p.topicName("", t.TopicID); !ok {
				return true // the handler says that there is none
			}
		}
		return p.may(onTopic, name)
	})
	im := p.image() // that the names were found in
	amend(p, func(resp *kmsg.DeleteTopicsResponse) {
		for _, name := range byName {
			resp.Topics = append(resp.Topics, topicToDelete{name: name, byName: true}.answer(kerr.TopicAuthorizationFailed))
		}
		for _, t := range denied {
			resp.Topics = append(resp.Topics, p.notDeleted(im, &t))
		}
	})
	return nil
}

func (p *passage) notDeleted(im *image.Image, t *kmsg.DeleteTopicsRequestTopic) kmsg.DeleteTopicsResponseTopic {
	if t.Topic != nil {
		return topicToDelete{name: *t.Topic, byName: true, id: t.TopicID}.answer(kerr.TopicAuthorizationFailed)
	}
	if found, ok := im.TopicByID(t.TopicID); ok && p.sees(onTopic, found.Name) {
		return topicToDelete{name: found.Name, byName: true, id: t.TopicID}.answer(kerr.TopicAuthorizationFailed)
	}
	return topicToDelete{id: t.TopicID}.answer(kerr.UnknownTopicID)
}

func guardCreatePartitions(p *passage, req *kmsg.CreatePartitionsRequest) kmsg.Response {
	denied := take(p, &req.Topics, func(t *kmsg.CreatePartitionsRequestTopic) bool { return p.may(onTopic, t.Topic) })
	amend(p, func(resp *kmsg.CreatePartitionsResponse) {
		for _, name := range namesOnce(denied, func(t *kmsg.CreatePartitionsRequestTopic) string { return t.Topic }) {
			out := kmsg.NewCreatePartitionsResponseTopic()
			out.Topic, out.ErrorCode, out.ErrorMessage = name, kerr.TopicAuthorizationFailed.Code, kmsg.StringPtr(authorizationFailed)
			resp.Topics = append(resp.Topics, out)
		}
	})
	return nil
}

func guardDescribeTopicPartitions(p *passage, req *kmsg.DescribeTopicPartitionsRequest) kmsg.Response {
	all := len(req.Topics) == 0
	denied := take(p, &req.Topics, func(t *kmsg.DescribeTopicPartitionsRequestTopic) bool { return p.may(onTopic, t.Topic) })
	p.emptied = len(denied) > 0 && len(req.Topics) == 0
	amend(p, func(resp *kmsg.DescribeTopicPartitionsResponse) {
		for i := range resp.Topics {
			t := &resp.Topics[i]
			t.AuthorizedOperations = p.topicOperations(orEmpty(t.Topic), t.AuthorizedOperations)
		}
		if all {
			return // the handler has left out what is not seen
		}
		for _, name := range namesOnce(denied, func(t *kmsg.DescribeTopicPartitionsRequestTopic) string { return t.Topic }) {
			resp.Topics = append(resp.Topics, undescribed(name, kerr.TopicAuthorizationFailed.Code))
		}
	})
	return nil
}

// guardMetadata keeps from the handler what is denied and what may not be created, and
// leaves out of a list of all topics those that may not be seen.
func guardMetadata(p *passage, req *kmsg.MetadataRequest) kmsg.Response {
	all := metadataOfAll(req)
	misasked := metadataMisasked(req)
	var denied []kmsg.MetadataRequestTopic
	if !all && !misasked {
		creates := p.srv.cfg.AutoCreateTopics && (req.AllowAutoTopicCreation || req.Version < metadataAutoCreate)
		denied = take(p, &req.Topics, func(t *kmsg.MetadataRequestTopic) bool { return p.asksMetadata(t, creates) })
		p.emptied = len(req.Topics) == 0 && len(denied) > 0
	}
	amend(p, func(resp *kmsg.MetadataResponse) {
		if all {
			resp.Topics = slices.DeleteFunc(resp.Topics, func(t kmsg.MetadataResponseTopic) bool { return !p.describes(orEmpty(t.Topic)) })
		}
		resp.AuthorizedOperations = p.clusterOperations(resp.AuthorizedOperations)
		for i := range resp.Topics {
			t := &resp.Topics[i]
			t.AuthorizedOperations = p.topicOperations(orEmpty(t.Topic), t.AuthorizedOperations)
		}
		resp.Topics = append(resp.Topics, deniedMetadata(denied)...)
	})
	return nil
}

// asksMetadata reports whether a topic may be asked for, and made if it is not there.
func (p *passage) asksMetadata(t *kmsg.MetadataRequestTopic, creates bool) bool {
	name, known := p.topicName(orEmpty(t.Topic), t.TopicID)
	switch {
	case !known:
		return true // the handler says that there is none
	case !p.may(onTopic, name):
		return false
	}
	if _, there := p.image().Topic(name); there || !creates || coordinator.CheckTopicName(name) != nil {
		return true
	}
	return p.may(onTopic, name, ifCreating)
}

func deniedMetadata(denied []kmsg.MetadataRequestTopic) (answers []kmsg.MetadataResponseTopic) {
	for _, w := range wantedTopics(&kmsg.MetadataRequest{Topics: denied}) {
		out := kmsg.NewMetadataResponseTopic()
		out.TopicID, out.ErrorCode = w.id, deniedTopic(w.id)
		if w.id.IsZero() {
			out.Topic = kmsg.StringPtr(w.name)
		}
		answers = append(answers, out)
	}
	return answers
}

// configDenied is why the settings of a resource are denied, or nil.
func (p *passage) configDenied(kind kmsg.ConfigResourceType, name string) *kerr.Error {
	switch kind {
	case kmsg.ConfigResourceTypeTopic:
		if !p.may(onTopic, name) {
			return kerr.TopicAuthorizationFailed
		}
	case kmsg.ConfigResourceTypeGroupConfig:
		if !p.may(onGroup, name) {
			return kerr.GroupAuthorizationFailed
		}
	default:
		if !p.may(onCluster, acl.ClusterName, ifBrokers) {
			return kerr.ClusterAuthorizationFailed
		}
	}
	return nil
}

// deniedConfig is a resource whose settings are denied.
type deniedConfig struct {
	configResource
	code *kerr.Error
}

// takeConfigs takes the resources out whose settings are denied, each once.
func takeConfigs[T any](p *passage, list *[]T, of func(*T) configResource) (denied []deniedConfig) {
	seen := map[configResource]bool{}
	take(p, list, func(t *T) bool {
		r := of(t)
		code := p.configDenied(r.kind, r.name)
		if code != nil && !seen[r] {
			seen[r] = true
			denied = append(denied, deniedConfig{r, code})
		}
		return code == nil
	})
	return denied
}

func guardDescribeConfigs(p *passage, req *kmsg.DescribeConfigsRequest) kmsg.Response {
	denied := takeConfigs(p, &req.Resources, describedResource)
	amend(p, func(resp *kmsg.DescribeConfigsResponse) {
		for _, d := range denied {
			out := kmsg.NewDescribeConfigsResponseResource()
			out.ResourceType, out.ResourceName, out.ErrorCode, out.ErrorMessage = d.kind, d.name, d.code.Code, &d.code.Description
			resp.Resources = append(resp.Resources, out)
		}
	})
	return nil
}

func guardAlterConfigs(p *passage, req *kmsg.AlterConfigsRequest) kmsg.Response {
	denied := takeConfigs(p, &req.Resources, func(r *kmsg.AlterConfigsRequestResource) configResource {
		return configResource{r.ResourceType, r.ResourceName}
	})
	amend(p, func(resp *kmsg.AlterConfigsResponse) {
		for _, d := range denied {
			resp.Resources = append(resp.Resources, kmsg.AlterConfigsResponseResource{
				ResourceType: d.kind, ResourceName: d.name, ErrorCode: d.code.Code, ErrorMessage: &d.code.Description,
			})
		}
	})
	return nil
}

func guardIncrementalAlterConfigs(p *passage, req *kmsg.IncrementalAlterConfigsRequest) kmsg.Response {
	denied := takeConfigs(p, &req.Resources, func(r *kmsg.IncrementalAlterConfigsRequestResource) configResource {
		return configResource{r.ResourceType, r.ResourceName}
	})
	amend(p, func(resp *kmsg.IncrementalAlterConfigsResponse) {
		for _, d := range denied {
			resp.Resources = append(resp.Resources, kmsg.IncrementalAlterConfigsResponseResource{
				ResourceType: d.kind, ResourceName: d.name, ErrorCode: d.code.Code, ErrorMessage: &d.code.Description,
			})
		}
	})
	return nil
}
