package coordinator

import (
	"reflect"
	"testing"

	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/store/etcd"
)

// What 0 means in each number that a Cluster and its store can be told.
var zeroMeans = map[string]string{
	"Options.SessionTimeout":          "the default: with 0 nobody would be live",
	"Options.RequestTimeout":          "the default: nothing changes in 0 s",
	"Options.PreferredInterval":       "the default: nothing happens every 0 s; never is below 0",
	"QuotaOptions.Max":                "the default: with 0 nothing could be added",
	"QuotaOptions.History":            "the default: no write adds 0 bytes",
	"QuotaOptions.Kept":               "the default: with 0 every watch would fall behind",
	"QuotaOptions.Interval":           "the default: nothing happens every 0 s",
	"Limits.DefaultPartitions":        "the default: a topic has one at least",
	"Limits.DefaultReplicationFactor": "the default: a partition has one at least",
	"Limits.MaxPartitionsPerTopic":    "the default: with 0 no topic could be made",
	"Limits.MaxPartitions":            "the default: with 0 no topic could be made",
	"EmbeddedOptions.QuotaBytes":      "the default: with 0 nothing could be written",
	"Registration.PreviousEpoch":      "there was none, or it did not end cleanly",
}

// Goal: no number of the options takes 0 for its default where 0 means something.
func TestEveryNumberOfTheOptionsSaysWhatZeroMeans(t *testing.T) {
	for _, of := range []reflect.Type{
		reflect.TypeFor[Options](), reflect.TypeFor[QuotaOptions](), reflect.TypeFor[Registration](),
		reflect.TypeFor[plan.Limits](), reflect.TypeFor[etcd.EmbeddedOptions](),
	} {
		for i := range of.NumField() {
			f := of.Field(i)
			name := of.Name() + "." + f.Name
			if k := f.Type.Kind(); k >= reflect.Int && k <= reflect.Float64 && zeroMeans[name] == "" {
				t.Errorf("it is not said what 0 means in %s", name)
			}
		}
	}
}
