package house

import (
	"slices"
	"strings"
	"testing"
)

// door is a dependency and the rooms it may be seen in. Tests may use it in
// more of them where that is said.
type door struct {
	dep   string
	rooms []string
	tests []string // on top of rooms; "*" is every room
	why   string
}

var everywhere = []string{"*"}

// doors is looked up by the longest dep that fits, so that a part of a module
// can have a door of its own.
var doors = []door{
	{"github.com/twmb/franz-go/pkg/kmsg", []string{"broker", "client", "internal", "test", "protocol", "coordinator/txn"}, nil,
		"the bodies of requests are decoded at the broker's door, after protocol has proven their shape"},
	{"github.com/twmb/franz-go/pkg/kbin", []string{"broker", "client", "internal", "test", "protocol"}, nil,
		"the primitive encodings belong to the words of the protocol"},
	{"github.com/twmb/franz-go/pkg/kerr", []string{"broker", "client", "internal", "test", "protocol"}, nil,
		"numbers of errors are made in one place, broker/errors.go"},
	{"github.com/twmb/franz-go/pkg/kgo", []string{"client", "internal", "test"}, everywhere,
		"a broker is no client"},
	{"github.com/twmb/franz-go/pkg/kadm", []string{"client", "internal", "test"}, everywhere,
		"a broker is no client"},
	{"github.com/twmb/franz-go/pkg/kfake", []string{"test"}, everywhere,
		"a fake cluster is for tests"},
	{"go.etcd.io", []string{"coordinator/store/etcd"}, nil,
		"metadata is kept behind store.Store"},
	{"go.uber.org/zap", []string{"coordinator/store/etcd"}, nil,
		"etcd's logger, and nobody else's"},
	{"github.com/cockroachdb/pebble/v2", []string{"segment", "conflict"}, nil,
		"each owner of a key prefix keeps Pebble to itself"},
	{"github.com/cockroachdb/pebble/v2/vfs", []string{"segment", "conflict", "replica", "broker", "internal", "test"}, nil,
		"the file system is handed down from the top, so that tests can crash it"},
	{"github.com/klauspost/compress", []string{"protocol/record"}, everywhere,
		"codecs are opened within record's bounds"},
	{"github.com/pierrec/lz4/v4", []string{"protocol/record"}, everywhere,
		"codecs are opened within record's bounds"},
	{"github.com/prometheus", []string{"broker/admin"}, []string{"test"},
		"parts count by the counters that they are handed; one room publishes"},
	{"github.com/spf13", []string{"internal"}, nil,
		"flags are the command line's"},
	{"go.yaml.in", []string{"internal/cli"}, nil,
		"files of settings are the command line's"},
	{"github.com/mattn/go-isatty", []string{"internal/cli/command"}, nil,
		"only a command line meets a terminal"},
	{"github.com/xdg-go/scram", []string{"broker/security"}, []string{"test"},
		"what proves a password is in one place"},
	{"github.com/go-jose/go-jose/v4", []string{"broker/security"}, nil,
		"what proves a token is in one place"},
	{"github.com/twmb/franz-go/pkg/sasl", []string{"broker", "internal/cli/command", "test"}, everywhere,
		"a broker proves itself to another one, and the command line to a broker"},
	{"github.com/creack/pty", nil, []string{"internal", "test"},
		"only tests make terminals"},
	{"github.com/schollz/progressbar/v3", []string{"test/bench"}, nil,
		"only a command line meets a terminal"},
	{"modernc.org/sqlite", []string{"test/transfers"}, []string{"test"},
		"package sqlview knows database/sql; which driver is the application's choice"},
	{"github.com/jackc/pgx/v5", nil, []string{"test"},
		"package sqlview knows database/sql; which driver is the application's choice"},
	{"github.com/IBM/sarama", nil, []string{"test"},
		"a foreign client, to be tested against"},
	{"github.com/anishathalye/porcupine", []string{"test"}, nil,
		"histories are judged beside the product, not in it"},
	{"github.com/segmentio/kafka-go", nil, []string{"test"},
		"a foreign client, to be tested against"},
}

// sealed are rooms within the broker that know no Kafka message and no metric,
// though the broker around them does.
var sealed = map[string][]string{
	"broker/transport":    append([]string{"github.com/cockroachdb/pebble/v2/vfs"}, kafka...),
	"broker/fetching":     {"github.com/twmb/franz-go/pkg/kmsg", "github.com/twmb/franz-go/pkg/kerr", "github.com/prometheus"},
	"broker/partitions":   kafka,
	"broker/replication":  {"github.com/prometheus"},
	"broker/coordination": {"github.com/twmb/franz-go/pkg/kmsg", "github.com/twmb/franz-go/pkg/kbin"},
	"broker/admin":        {"github.com/twmb/franz-go/pkg/kmsg", "github.com/twmb/franz-go/pkg/kbin"},
}

var kafka = []string{
	"github.com/twmb/franz-go/pkg/kmsg", "github.com/twmb/franz-go/pkg/kbin", "github.com/twmb/franz-go/pkg/kerr",
	"github.com/prometheus",
}

// doorOf finds the rule for an import.
func doorOf(imp string) (door, bool) {
	var best door
	var found bool
	for _, d := range doors {
		if (imp == d.dep || strings.HasPrefix(imp, d.dep+"/")) && len(d.dep) >= len(best.dep) {
			best, found = d, true
		}
	}
	return best, found
}

func (d door) open(room string, test bool) bool {
	if !test && slices.Contains(sealed[room], d.dep) {
		return false
	}
	if under(room, d.rooms) {
		return true
	}
	return test && (under(room, d.tests) || (len(d.tests) == 1 && d.tests[0] == "*"))
}

// TestEachDependencyStopsAtItsDoor holds imports from outside against the
// table of doors.
func TestEachDependencyStopsAtItsDoor(t *testing.T) {
	for _, p := range packages(t) {
		if p.room() == "internal/deps" {
			continue
		}
		check := func(imports []string, test bool) {
			for _, imp := range imports {
				if d, ok := doorOf(imp); ok && !d.open(p.room(), test) {
					t.Errorf("%s imports %s: %s", p.room(), imp, d.why)
				}
			}
		}
		check(p.Imports, false)
		check(p.testsImport(), true)
	}
}

// TestTheDoorsThemselvesCanClose proves the rule on cases that must be told
// apart.
func TestTheDoorsThemselvesCanClose(t *testing.T) {
	for _, c := range []struct {
		room, imp string
		test, may bool
	}{
		{"broker", "github.com/twmb/franz-go/pkg/kmsg", false, true},
		{"replica", "github.com/twmb/franz-go/pkg/kmsg", false, false},
		{"conflict", "github.com/twmb/franz-go/pkg/kmsg", true, false},
		{"conflict", "github.com/cockroachdb/pebble/v2", false, true},
		{"replica", "github.com/cockroachdb/pebble/v2", false, false},
		{"replica", "github.com/cockroachdb/pebble/v2/vfs", false, true},
		{"replica", "github.com/cockroachdb/pebble/v2/vfs/errorfs", true, true},
		{"coordinator/store/etcd", "go.etcd.io/etcd/client/v3", false, true},
		{"coordinator", "go.etcd.io/etcd/client/v3", true, false},
		{"replica", "go.etcd.io/etcd/client/v3", false, false},
		{"broker/partitions", "github.com/twmb/franz-go/pkg/kmsg", false, false},
		{"broker/transport", "github.com/twmb/franz-go/pkg/kmsg", false, false},
		{"broker/transport", "github.com/prometheus/client_golang/prometheus", false, false},
		{"broker/fetching", "github.com/twmb/franz-go/pkg/kmsg", false, false},
		{"broker/fetching", "github.com/twmb/franz-go/pkg/kbin", false, true},
		{"broker", "github.com/prometheus/client_golang/prometheus", false, false},
		{"broker/admin", "github.com/prometheus/client_golang/prometheus", false, true},
		{"broker", "github.com/twmb/franz-go/pkg/kgo", false, false},
		{"broker", "github.com/twmb/franz-go/pkg/kgo", true, true},
	} {
		d, ok := doorOf(c.imp)
		if !ok {
			t.Fatalf("%s has no door", c.imp)
		}
		if got := d.open(c.room, c.test); got != c.may {
			t.Errorf("may %s (test: %v) import %s? got %v, want %v", c.room, c.test, c.imp, got, c.may)
		}
	}
}
