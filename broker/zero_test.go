package broker

import (
	"reflect"
	"testing"
	"time"
)

// What 0 means in each number that a broker can be told. Where 0 is a value that
// somebody could want, the field is Given, or 0 is not the default.
var zeroMeans = map[string]string{
	"NodeID":              "node 0",
	"MetadataBytesMax":    "the default: with 0 nothing could be added",
	"SessionTimeout":      "the default: with 0 nobody would be live",
	"LagTimeMax":          "the default: with 0 nobody would stay in sync",
	"ReplicationThrottle": "no bound",
	"PreferredInterval":   "the default: nothing happens every 0 s; never is below 0",
	"LeaveTimeout":        "the default",

	"NumPartitions":            "the default: a topic has one at least",
	"DefaultReplicationFactor": "the default: a partition has one at least",
	"RequestBytesMax":          "the default: no request has 0 bytes",
	"FramesBytesMax":           "the default: no request has 0 bytes",
	"DecompressedMax":          "the default: no batch has 0 bytes",
	"ConnectionsMax":           "the default: with 0 nobody could connect",
	"FetchSessionEviction":     "the default: with 0 each new session would end one that is in use",
	"IdleTimeout":              "the default: with 0 every connection would be closed at once",
	"FrameTimeout":             "the default: with 0 no request would arrive",
	"WriteTimeout":             "the default: with 0 no answer would be sent",
	"ProducerIDMs":             "the default: with 0 no producer would be idempotent",
	"HousekeepInterval":        "the default: nothing happens every 0 s",
	"CompactInterval":          "the default: nothing happens every 0 s",
	"ReauthMax":                "never, as in Kafka",

	"Groups.OffsetsPartitions":     "the default: a topic has one at least",
	"Groups.OffsetsReplicas":       "the default: a partition has one at least",
	"Groups.SessionMin":            "the default: no session lasts 0 s",
	"Groups.SessionMax":            "the default: no session lasts 0 s",
	"Groups.ConsumerSession":       "the default: no session lasts 0 s",
	"Groups.ConsumerSessionMin":    "the default: no session lasts 0 s",
	"Groups.ConsumerSessionMax":    "the default: no session lasts 0 s",
	"Groups.ConsumerHeartbeat":     "the default: nothing happens every 0 s",
	"Groups.ConsumerHeartbeatMin":  "the default: nothing happens every 0 s",
	"Groups.ConsumerHeartbeatMax":  "the default: nothing happens every 0 s",
	"Groups.MembersMax":            "the default: with 0 no group could be",
	"Groups.CommitTimeout":         "the default: nothing is committed in 0 s",
	"Groups.OffsetsRetention":      "the default: Kafka, too, wants one minute at least",
	"Groups.OffsetsRetentionCheck": "the default: nothing happens every 0 s",
}

// Goal: no number of the configuration takes 0 for its default where 0 means
// something. Method: each is argued for above, so that a new one has to be.
func TestEveryNumberOfTheConfigurationSaysWhatZeroMeans(t *testing.T) {
	seen := map[string]bool{}
	each := func(of reflect.Type, prefix string) {
		for i := range of.NumField() {
			f := of.Field(i)
			if k := f.Type.Kind(); k < reflect.Int || k > reflect.Float64 {
				continue
			}
			seen[prefix+f.Name] = true
			if zeroMeans[prefix+f.Name] == "" {
				t.Errorf("it is not said what 0 means in %s%s; if it means something, make it Given", prefix, f.Name)
			}
		}
	}
	each(reflect.TypeFor[Config](), "")
	each(reflect.TypeFor[GroupConfig](), "Groups.")
	for name := range zeroMeans {
		if !seen[name] {
			t.Errorf("%s is no number of the configuration", name)
		}
	}
}

// Zero that was given is zero; what was not given is the default.
func TestAZeroThatWasGivenIsKept(t *testing.T) {
	none := GroupConfig{InitialRebalanceDelay: Give(time.Duration(0)), MetadataBytesMax: Give(0)}.withDefaults()
	if most, bound := none.rules().MetadataBytesMax.Get(); none.rules().InitialDelayMs != 0 || !bound || most != 0 {
		t.Errorf("a delay of 0 became %d ms, metadata of 0 bytes %d, %v", none.rules().InitialDelayMs, most, bound)
	}
	unset := GroupConfig{}.withDefaults()
	if most, _ := unset.rules().MetadataBytesMax.Get(); unset.rules().InitialDelayMs != 500 || most != 4096 {
		t.Errorf("the defaults are %d ms and %d bytes", unset.rules().InitialDelayMs, most)
	}
}
