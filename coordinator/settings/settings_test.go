package settings

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// The stories of settings. A line of the input is NAME=VALUE, an override of a
// topic or group; after "cluster:", "broker:" or "static:" it is a broker-level setting.
func TestSettingsStories(t *testing.T) {
	datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			overrides, layers := readLayers(d.Input)
			var want []string
			for _, arg := range d.CmdArgs {
				want = append(want, arg.Key)
			}
			switch d.Cmd {
			case "parse":
				topic, err := Parse(overrides, layers...)
				if err != nil {
					return err.Error() + "\n"
				}
				return fmt.Sprintf("%s\n", strings.ReplaceAll(fmt.Sprintf("%+v", topic), " ", "\n"))
			case "created":
				return listed(CarryTopicsOf(layers...).Created(topicOf(d), overrides, layers...))
			case "policy":
				return tell(CarryTopicsOf(layers...).Resolve(topicOf(d), overrides, layers...), []string{"conflict.policy"})
			case "check":
				return verdict(Validate(overrides))
			case "parse-group":
				group, err := ParseGroup(overrides, layers...)
				if err != nil {
					return err.Error() + "\n"
				}
				return fmt.Sprintf("%+v\n", group)
			case "check-group":
				return verdict(ValidateGroup(overrides, layers...))
			case "resolve-group":
				return tell(ResolveGroup(overrides, layers...), want)
			case "check-broker":
				return verdict(ValidateBroker(overrides))
			case "check-cluster":
				return verdict(ValidateCluster(overrides))
			case "parse-broker":
				broker, err := ParseBroker(layers...)
				if err != nil {
					return fmt.Sprintf("%v\n%+v\n", err, broker)
				}
				return fmt.Sprintf("%+v\n", broker)
			case "resolve":
				return tell(Resolve(overrides, layers...), want)
			case "resolve-broker":
				return tell(ResolveBroker(layers...), want)
			}
			t.Fatalf("unknown command %s", d.Cmd)
			return ""
		})
	})
}

func readLayers(input string) (overrides map[string]string, layers []Layer) {
	overrides = map[string]string{}
	named := map[string]Source{"broker": FromBroker, "cluster": FromCluster, "static": FromStatic}
	values := overrides
	for line := range strings.Lines(input) {
		line = strings.TrimSuffix(line, "\n")
		if source, ok := named[strings.TrimSuffix(line, ":")]; ok {
			values = map[string]string{}
			layers = append(layers, Layer{Source: source, Values: values})
			continue
		}
		name, value, _ := strings.Cut(line, "=")
		values[name] = value
	}
	return overrides, layers
}

// topicOf is the topic that a command names; "t" if none.
func topicOf(d *datadriven.TestData) string {
	if len(d.CmdArgs) == 0 {
		return "t"
	}
	return d.CmdArgs[0].Key
}

// listed is settings in order, a line each.
func listed(values map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&b, "%s=%s\n", name, values[name])
	}
	return b.String()
}

func verdict(err error) string {
	if err == nil {
		return "ok\n"
	}
	return err.Error() + "\n"
}

func tell(values []Value, names []string) string {
	var b strings.Builder
	for _, name := range names {
		for _, v := range values {
			if v.Definition.Name != name {
				continue
			}
			fmt.Fprintf(&b, "%s=%s unset=%v source=%d\n", name, v.Value, v.Unset, v.Source)
			for _, s := range v.Synonyms {
				fmt.Fprintf(&b, "  %s=%s source=%d\n", s.Name, s.Value, s.Source)
			}
		}
	}
	return b.String()
}

func TestEveryDefinitionIsWholeAndItsDefaultValid(t *testing.T) {
	for _, table := range [][]Definition{Definitions(), GroupDefinitions(), BrokerDefinitions()} {
		for i, d := range table {
			if i > 0 && table[i-1].Name >= d.Name {
				t.Errorf("%s comes after %s", d.Name, table[i-1].Name)
			}
			if d.Doc == "" || d.Importance == "" || d.Type.String() == "unknown" {
				t.Errorf("%s is not whole: %+v", d.Name, d)
			}
			if d.bind == nil && d.bindGroup == nil && d.bindBroker == nil != d.ReadOnly {
				t.Errorf("%s can be altered and is not checked", d.Name)
			}
			if d.bindBroker != nil && !d.NoDefault {
				if err := d.bindBroker(new(Broker), d.Default); err != nil {
					t.Errorf("%s: default %q: %v", d.Name, d.Default, err)
				}
			}
			if d.bind != nil && !d.NoDefault {
				if err := d.bind(new(Topic), d.Default); err != nil {
					t.Errorf("%s: default %q: %v", d.Name, d.Default, err)
				}
			}
		}
	}
}

func TestEveryDefaultOfABrokerNameIsTheTopicsDefault(t *testing.T) {
	for _, d := range slices.Concat(Definitions(), GroupDefinitions()) {
		name, value, ok := d.brokerDefault()
		if !ok {
			continue
		}
		b, known := LookupBroker(name)
		if !known || b.Default != value {
			t.Errorf("%s: broker setting %s is %+v", d.Name, name, b)
		}
		layers := []Layer{{Source: FromStatic, Values: map[string]string{name: value}}}
		if got := effective(&d, nil, layers); got != d.Default {
			t.Errorf("%s: %s=%s gives %s, not %s", d.Name, name, value, got, d.Default)
		}
	}
}

// ours are the broker settings that Kafka has not.
var ours = []string{"conflict.add.partitions", carryTopics, "conflict.policy", "lock.id.retention.ms", "lock.retention.ms", "follower.replication.throttled.rate", "leader.replication.throttled.rate"}

func TestABrokerHasEverySettingOfKafkasAndLetsAlterOnlyWhatKafkaDoes(t *testing.T) {
	// In Kafka these are given at start, and what it has in milliseconds is altered instead.
	atStart := []string{"log.retention.hours", "log.retention.minutes", "log.roll.hours", "log.roll.jitter.hours"}
	kafkas := map[string]Definition{}
	for line := range strings.Lines(kafkaBrokers) {
		if !strings.HasPrefix(line, "#") {
			k := kafkaBroker(line)
			kafkas[k.Name] = k
		}
	}
	if len(kafkas) != 340 {
		t.Errorf("Kafka 4.3.1 has 340 broker settings, and the table %d", len(kafkas))
	}
	for name, k := range kafkas {
		d, ok := LookupBroker(name)
		if !ok || d.Type != k.Type || d.update != k.update {
			t.Errorf("%s is %+v", name, d)
		}
		if !d.ReadOnly && k.update == updateNever && !slices.Contains(atStart, name) {
			t.Errorf("%s can be altered, and not in Kafka", name)
		}
		if d.idle != "" && (d.Default != k.Default || d.NoDefault != k.NoDefault) {
			t.Errorf("%s, on which nothing depends, has another default than in Kafka: %q", name, d.Default)
		}
	}
	for _, d := range BrokerDefinitions() {
		if _, ok := kafkas[d.Name]; !ok && !slices.Contains(ours, d.Name) {
			t.Errorf("%s is neither Kafka's nor ours", d.Name)
		}
	}
}

func TestErrorsNameTheSettingAndTheValue(t *testing.T) {
	var bad *Error
	if err := Validate(map[string]string{"retention.ms": "week"}); !errors.As(err, &bad) || bad.Name != "retention.ms" || bad.Value != "week" {
		t.Fatalf("error %v", err)
	}
	var strange *UnknownError
	if err := Validate(map[string]string{"retenton.ms": "1"}); !errors.As(err, &strange) || strange.Suggestion != "retention.ms" {
		t.Fatalf("error %v", err)
	}
}

func TestListsAreAddedToAndTakenFrom(t *testing.T) {
	if got := AddItems("delete", "compact, delete"); got != "delete,compact" {
		t.Fatalf("added: %q", got)
	}
	if got := RemoveItems("delete,compact", "delete"); got != "compact" {
		t.Fatalf("removed: %q", got)
	}
	if got := AddItems("", ""); got != "" {
		t.Fatalf("nothing: %q", got)
	}
}

// Whatever a client sends is a value or an error, and what is taken reads back.
func FuzzParse(f *testing.F) {
	for _, d := range topicTable {
		f.Add(d.Name, d.Default)
	}
	f.Add("retention.ms", "-9223372036854775809")
	f.Add("min.cleanable.dirty.ratio", "NaN")
	f.Add("cleanup.policy", ",")
	f.Add("retention.mss", "1")
	f.Fuzz(func(t *testing.T, name, value string) {
		topic, err := Parse(map[string]string{name: value})
		if err == nil && (topic.FlushMessages < 1 || topic.MinInsyncReplicas < 1 || topic.SegmentBytes < minSegmentBytes || topic.RetentionMs < -1) {
			t.Fatalf("%s=%q gives %+v", name, value, topic)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	overrides := map[string]string{"retention.ms": "1000", "cleanup.policy": "compact"}
	for b.Loop() {
		if _, err := Parse(overrides); err != nil {
			b.Fatal(err)
		}
	}
}
