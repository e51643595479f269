package broker

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (v *versions) listConfigResources(version int16) int16 {
	resp := ask[*kmsg.ListConfigResourcesResponse](v.w, version, kmsg.NewPtrListConfigResourcesRequest())
	// The oldest version knows of client metrics alone, and there are none.
	v.check(version, (version == 0) == (len(resp.ConfigResources) == 0))
	return resp.ErrorCode
}

func TestResourcesWithSettingsAreListedByKindOnceEach(t *testing.T) {
	s, _ := startServer(t, withoutDelay)
	w := dial(t, s.Addr(""))
	w.createTopic("b", 1)
	w.createTopic("a", 2)
	w.change(ofGroup, "g", opSet, "consumer.session.timeout.ms", "50000")
	for _, c := range []struct {
		name  string
		kinds []kmsg.ConfigResourceType
		want  string
		code  int16
	}{
		{"all", nil, "[{a 2} {b 2} {1 4} {g 32}]", 0},
		{"topics", []kmsg.ConfigResourceType{kmsg.ConfigResourceTypeTopic, kmsg.ConfigResourceTypeTopic}, "[{a 2} {b 2}]", 0},
		{"brokers before topics", []kmsg.ConfigResourceType{kmsg.ConfigResourceTypeBroker, kmsg.ConfigResourceTypeTopic}, "[{1 4} {a 2} {b 2}]", 0},
		{"kinds that have none", []kmsg.ConfigResourceType{kmsg.ConfigResourceTypeBrokerLogger, kmsg.ConfigResourceTypeClientMetrics}, "[]", 0},
		{"groups", []kmsg.ConfigResourceType{kmsg.ConfigResourceTypeGroupConfig}, "[{g 32}]", 0},
		{"an unknown kind", []kmsg.ConfigResourceType{kmsg.ConfigResourceTypeTopic, 3}, "[]", kerr.UnsupportedVersion.Code},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := kmsg.NewPtrListConfigResourcesRequest()
			for _, kind := range c.kinds {
				req.ResourceTypes = append(req.ResourceTypes, int8(kind))
			}
			resp := ask[*kmsg.ListConfigResourcesResponse](w, 1, req)
			type resource struct {
				name string
				kind int8
			}
			listed := []resource{}
			for _, r := range resp.ConfigResources {
				listed = append(listed, resource{r.Name, r.Type})
			}
			if got := fmt.Sprint(listed); got != c.want || resp.ErrorCode != c.code {
				t.Errorf("got %s and code %d, want %s and %d", got, resp.ErrorCode, c.want, c.code)
			}
		})
	}
}
