package settings

import (
	_ "embed"
	"fmt"
	"strings"
)

// kafkaBrokers is every broker setting of the Kafka release that we are held against.
//
//go:embed kafka.txt
var kafkaBrokers string

// updateMode is where Kafka lets a broker setting be altered while it runs.
type updateMode uint8

const (
	updateNever       updateMode = iota
	updateCluster                // on each broker, and on all at once
	updatePerBroker              // on each broker
	updatePerListener            // on each broker, under the name of a listener
)

var updateModes = map[string]updateMode{
	"read-only": updateNever, "cluster-wide": updateCluster, "per-broker": updatePerBroker,
	"per-listener": updatePerListener,
}

// withKafkas gives our definitions the types that Kafka has for them, and adds what
// Kafka has beyond: described with its default, and nothing depends on it.
func withKafkas(ours []Definition) []Definition {
	have := make(map[string]int, len(ours))
	for i := range ours {
		have[ours[i].Name] = i
	}
	all := ours
	for line := range strings.Lines(kafkaBrokers) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		k := kafkaBroker(line)
		if i, ok := have[k.Name]; ok {
			all[i].Type, all[i].update = k.Type, k.update
			continue
		}
		k.idle = whyIdle(k.Name)
		k.ReadOnly, k.Importance = true, Low
		k.Doc = fmt.Sprintf("Of Kafka; nothing depends on it here: %s.", k.idle)
		all = append(all, k)
	}
	return all
}

// kafkaBroker reads a line: NAME TYPE UPDATE [DEFAULT].
func kafkaBroker(line string) Definition {
	f := strings.Fields(line)
	if len(f) == 3 {
		f = append(f, "")
	}
	update, ok := updateModes[f[2]]
	if !ok || len(f) != 4 {
		panic(fmt.Sprintf("settings: kafka.txt: %q", line))
	}
	return Definition{
		Name: f[0], Type: typeNamed(f[1]), update: update,
		Default: strings.Trim(f[3], `"`), NoDefault: f[3] == "",
	}
}

func typeNamed(name string) Type {
	for t, n := range typeNames {
		if n == name {
			return t
		}
	}
	panic("settings: kafka.txt: unknown type " + name)
}

// reasons say, by the beginning of a name, why nothing depends on a setting. The first one counts.
var reasons = []struct{ prefixes, why string }{
	{"remote. follower.fetch.last.tiered", noTiers},
	{"controller. metadata. initial.broker. process.roles", "metadata is kept in etcd, and there is no KRaft quorum"},
	{"group.share. share.", "there are no share groups here"},
	{"group.streams.", "there are no streams groups here"},
	{"sasl. ssl. security. delegation. authorizer. principal. connection.failed. connections.max.reauth.",
		"how clients are let in is said when a broker starts"},
	{"client.quota. quota. replication.quota. alter.log.dirs. controller.quota. replica.alter.",
		"there are no such quotas here"},
	{"transaction add.partitions.", "there is nothing of the kind to tune here"},
	{"num. background. group.coordinator.threads group.coordinator.background.",
		"goroutines come and go with the work, and there is no pool of them"},
	{"metric kafka.metrics. telemetry.", "metrics are served over HTTP"},
	{"alter.config.policy. create.topic.policy. config.providers replica.selector.", "no classes are loaded here"},
}

func whyIdle(name string) string {
	for _, r := range reasons {
		for prefix := range strings.FieldsSeq(r.prefixes) {
			if strings.HasPrefix(name, prefix) {
				return r.why
			}
		}
	}
	return "it is about the inside of Kafka"
}
