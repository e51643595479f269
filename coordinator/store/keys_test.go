package store

import (
	"reflect"
	"strings"
	"testing"

	"github.com/lockstep-log/lockstep/protocol"
)

func TestKeysAreReadBackAsWritten(t *testing.T) {
	k := Keys{Prefix: "/x/"}
	id := protocol.TopicID{1, 2, 3}
	for key, want := range map[string]Key{
		k.Format():                           {Kind: KeyFormat},
		k.Controller():                       {Kind: KeyController},
		k.ProducerIDs():                      {Kind: KeyProducerIDs},
		k.Broker(7):                          {Kind: KeyBroker, Broker: 7},
		k.Directory(7):                       {Kind: KeyDirectory, Broker: 7},
		k.Leaving(7):                         {Kind: KeyLeaving, Broker: 7},
		k.Suspect(7, 8):                      {Kind: KeySuspect, Broker: 7, By: 8},
		k.Topic("a.b_c"):                     {Kind: KeyTopic, Folded: "a_b_c"},
		k.Partition(id, 12):                  {Kind: KeyPartition, Topic: id, Index: 12},
		k.ClusterConfig():                    {Kind: KeyClusterConfig},
		k.BrokerConfig(7):                    {Kind: KeyBrokerConfig, Broker: 7},
		k.GroupConfig("a/b"):                 {Kind: KeyGroupConfig, Group: "a/b"},
		k.ACL([16]byte{1, 255}):              {Kind: KeyACL, ACL: [16]byte{1, 255}},
		k.Quota("user=a%2Fb/client"):         {Kind: KeyQuota, Entity: "user=a%2Fb/client"},
		"/x/acls/01ff":                       {},
		"/x/acls/" + strings.Repeat("0", 34): {},
		"/x/configs/groups/":                 {},
		"/x/":                                {},
		"/y/format":                          {},
		"/x/brokers/1x":                      {},
		"/x/suspects/1":                      {},
		"/x/partitions/a/0":                  {},
	} {
		if got := k.Parse(key); !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v", key, got)
		}
	}
}
