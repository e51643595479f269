package broker

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/coordinator/settings"
)

// described is one setting as DescribeConfigs tells it.
func (w *wire) described(kind kmsg.ConfigResourceType, resource, name string) kmsg.DescribeConfigsResponseResourceConfig {
	w.t.Helper()
	req := describeConfigsRequest(kind, resource, name)
	req.IncludeSynonyms = true
	got := ask[*kmsg.DescribeConfigsResponse](w, 4, req).Resources[0]
	if got.ErrorCode != 0 || len(got.Configs) != 1 {
		w.t.Fatalf("%s of %q: code %d, %d settings", name, resource, got.ErrorCode, len(got.Configs))
	}
	return got.Configs[0]
}

// change sets one setting of a resource while the broker runs.
func (w *wire) change(kind kmsg.ConfigResourceType, resource string, op kmsg.IncrementalAlterConfigOp, name, value string) {
	w.t.Helper()
	got := ask[*kmsg.IncrementalAlterConfigsResponse](w, 1, changeResourceRequest(kind, resource, op, name, value)).Resources[0]
	if got.ErrorCode != 0 {
		w.t.Fatalf("%s of %q: code %d: %s", name, resource, got.ErrorCode, text(got.ErrorMessage))
	}
}

const (
	opSet      = kmsg.IncrementalAlterConfigOpSet
	opDelete   = kmsg.IncrementalAlterConfigOpDelete
	opAppend   = kmsg.IncrementalAlterConfigOpAppend
	opSubtract = kmsg.IncrementalAlterConfigOpSubtract
	ofTopic    = kmsg.ConfigResourceTypeTopic
	ofBroker   = kmsg.ConfigResourceTypeBroker
	ofGroup    = kmsg.ConfigResourceTypeGroupConfig
)

// The strongest place wins, and all of them are told, in order.
func TestASettingComesFromItsStrongestPlace(t *testing.T) {
	s, _ := startServer(t, func(c *Config) { c.TopicDefaults = map[string]string{"retention.ms": "4000"} })
	w := dial(t, s.Addr(""))
	w.createTopic("a", 1)
	var story []string
	tell := func() {
		c := w.described(ofTopic, "a", "retention.ms")
		line := fmt.Sprintf("%s from %d:", text(c.Value), c.Source)
		for _, syn := range c.ConfigSynonyms {
			line += fmt.Sprintf(" %s=%s(%d)", syn.Name, text(syn.Value), syn.Source)
		}
		story = append(story, line)
	}
	tell()
	w.change(ofBroker, "", opSet, "log.retention.ms", "3000")
	tell()
	w.change(ofBroker, "1", opSet, "log.retention.ms", "2000")
	tell()
	w.change(ofTopic, "a", opSet, "retention.ms", "1000")
	tell()
	w.change(ofBroker, "1", opDelete, "log.retention.ms", "")
	w.change(ofTopic, "a", opDelete, "retention.ms", "")
	tell()
	const want = `4000 from 4: log.retention.ms=4000(4)
3000 from 3: log.retention.ms=3000(3) log.retention.ms=4000(4)
2000 from 2: log.retention.ms=2000(2) log.retention.ms=3000(3) log.retention.ms=4000(4)
1000 from 1: retention.ms=1000(1) log.retention.ms=2000(2) log.retention.ms=3000(3) log.retention.ms=4000(4)
3000 from 3: log.retention.ms=3000(3) log.retention.ms=4000(4)`
	if got := strings.Join(story, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAChangedSettingHoldsForTheNextRequest(t *testing.T) {
	s, cl := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("a", 1)
	noise := make([]byte, 5000) // does not compress
	rand.Read(noise)
	produce := func() error {
		return cl.ProduceSync(t.Context(), &kgo.Record{Topic: "a", Value: noise}).FirstErr()
	}
	if err := produce(); err != nil {
		t.Fatal(err)
	}
	w.change(ofTopic, "a", opSet, "max.message.bytes", "1000")
	if err := produce(); !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("5000 bytes where 1000 are allowed: %v", err)
	}
	w.change(ofTopic, "a", opDelete, "max.message.bytes", "")
	w.change(ofBroker, "", opSet, "message.max.bytes", "1000")
	if err := produce(); !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("5000 bytes where all brokers allow 1000: %v", err)
	}
}

func TestListSettingsGrowAndShrink(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("a", 1)
	for _, step := range []struct {
		op          kmsg.IncrementalAlterConfigOp
		value, want string
	}{
		{opAppend, "compact", "delete,compact"}, // to the default
		{opAppend, "compact", "delete,compact"},
		{opSubtract, "delete", "compact"},
	} {
		w.change(ofTopic, "a", step.op, "cleanup.policy", step.value)
		if got := text(w.described(ofTopic, "a", "cleanup.policy").Value); got != step.want {
			t.Errorf("cleanup.policy is %q, want %q", got, step.want)
		}
	}
}

func TestAlterConfigsReplacesEverything(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("a", 1, "retention.ms", "1000", "segment.ms", "2000")
	got := ask[*kmsg.AlterConfigsResponse](w, 2, replaceConfigsRequest(ofTopic, "a", "segment.ms", "3000")).Resources[0]
	if got.ErrorCode != 0 {
		t.Fatalf("code %d: %s", got.ErrorCode, text(got.ErrorMessage))
	}
	if c := w.described(ofTopic, "a", "retention.ms"); c.Source != 5 {
		t.Errorf("what was not named is %s from %d", text(c.Value), c.Source)
	}
	if c := w.described(ofTopic, "a", "segment.ms"); text(c.Value) != "3000" {
		t.Errorf("what was named is %s", text(c.Value))
	}
}

func TestSettingsThatAreRefusedAreNamed(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("a", 1)
	null := changeConfigsRequest("a", opSet, "retention.ms", "")
	null.Resources[0].Configs[0].Value = nil
	twice := changeConfigsRequest("a", opSet, "retention.ms", "1")
	twice.Resources[0].Configs = append(twice.Resources[0].Configs, twice.Resources[0].Configs[0])
	resourceTwice := changeConfigsRequest("a", opSet, "retention.ms", "1")
	resourceTwice.Resources = append(resourceTwice.Resources, resourceTwice.Resources[0])
	for name, c := range map[string]struct {
		req  *kmsg.IncrementalAlterConfigsRequest
		want *kerr.Error
		says string
	}{
		"unknown name":       {changeConfigsRequest("a", opSet, "retention.mss", "1"), kerr.InvalidConfig, "Unknown topic config name: retention.mss; did you mean retention.ms?"},
		"bad value":          {changeConfigsRequest("a", opSet, "retention.ms", "x"), kerr.InvalidConfig, "Invalid value x for configuration retention.ms: Not a number of type LONG"},
		"append to a number": {changeConfigsRequest("a", opAppend, "retention.ms", "1"), kerr.InvalidConfig, "retention.ms is no list"},
		"null value":         {null, kerr.InvalidRequest, "retention.ms"},
		"named twice":        {twice, kerr.InvalidRequest, "retention.ms"},
		"resource twice":     {resourceTwice, kerr.InvalidRequest, `TOPIC "a"`},
		"unknown operation":  {changeConfigsRequest("a", 9, "retention.ms", "1"), kerr.InvalidRequest, "retention.ms"},
		"unknown topic":      {changeConfigsRequest("nobody", opSet, "retention.ms", "1"), kerr.UnknownTopicOrPartition, "nobody"},
		"read-only":          {changeResourceRequest(ofBroker, "1", opSet, "node.id", "2"), kerr.InvalidRequest, "node.id"},
		"topic name on a broker": {changeResourceRequest(ofBroker, "", opSet, "retention.ms", "2"), kerr.InvalidConfig,
			"retention.ms"},
		"no broker": {changeResourceRequest(ofBroker, "one", opSet, "log.retention.ms", "2"), kerr.InvalidRequest, "one"},
		"no such kind": {changeResourceRequest(kmsg.ConfigResourceTypeClientMetrics, "m", opSet, "interval.ms", "2"), kerr.InvalidRequest,
			"CLIENT_METRICS"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ask[*kmsg.IncrementalAlterConfigsResponse](w, 1, c.req).Resources
			if len(got) != 1 || got[0].ErrorCode != c.want.Code || !strings.Contains(text(got[0].ErrorMessage), c.says) {
				t.Errorf("%d answers; code %d: %s", len(got), got[0].ErrorCode, text(got[0].ErrorMessage))
			}
		})
	}
	if c := w.described(ofTopic, "a", "retention.ms"); c.Source != 5 {
		t.Errorf("refused changes left %s from %d", text(c.Value), c.Source)
	}
}

func TestABrokerTellsItsOwnSettings(t *testing.T) {
	s, _ := startServer(t, func(c *Config) { c.NodeID, c.Rack, c.NumPartitions = 3, "r", 6 })
	w := dial(t, s.Addr(""))
	for name, want := range map[string]string{
		"node.id": "3 from 4, read-only", "broker.id": "3 from 4, read-only", "broker.rack": "r from 4, read-only",
		"num.partitions": "6 from 4, read-only", "default.replication.factor": "1 from 5, read-only",
		"log.dirs":             s.cfg.DataDir + " from 4, read-only",
		"listeners":            "PLAINTEXT://" + s.Addr("") + " from 4, read-only",
		"advertised.listeners": "PLAINTEXT://" + s.Addr("") + " from 4, read-only",
		"log.retention.hours":  "168 from 5", "log.retention.ms": "<null> from 5",
	} {
		c := w.described(ofBroker, "3", name)
		got := fmt.Sprintf("%s from %d", text(c.Value), c.Source)
		if c.ReadOnly {
			got += ", read-only"
		}
		if got != want || c.IsSensitive {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	for resource, want := range map[string]int16{"4": kerr.InvalidRequest.Code, "x": kerr.InvalidRequest.Code, "": 0} {
		got := ask[*kmsg.DescribeConfigsResponse](w, 4, describeConfigsRequest(ofBroker, resource)).Resources[0]
		if got.ErrorCode != want || len(got.Configs) != 0 {
			t.Errorf("broker %q: code %d with %d settings", resource, got.ErrorCode, len(got.Configs))
		}
	}
	w.change(ofBroker, "", opSet, "log.segment.bytes", "1048576")
	if got := w.described(ofBroker, "", "log.segment.bytes"); text(got.Value) != "1048576" || got.Source != 3 {
		t.Errorf("set on all brokers: %+v", got)
	}
}

// What Kafka 4.3.1 describes of a broker is described, each setting once, with its type and where it comes from.
func TestABrokerDescribesAllThatKafkaDoes(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	req := describeConfigsRequest(ofBroker, "1")
	req.Resources[0].ConfigNames, req.IncludeDocumentation, req.IncludeSynonyms = nil, true, true
	got := ask[*kmsg.DescribeConfigsResponse](w, 4, req).Resources[0].Configs
	all := map[string]kmsg.DescribeConfigsResponseResourceConfig{}
	for _, c := range got {
		if c.ConfigType == 0 || text(c.Documentation) == "" || c.Source != 4 && c.Source != 5 {
			t.Errorf("%s: %+v", c.Name, c)
		}
		all[c.Name] = c
	}
	want := 0
	for _, d := range settings.BrokerDefinitions() { // a test of theirs holds them against Kafka's 340
		if !d.ShownWhereSet {
			want++
		}
	}
	if len(got) != want || len(all) != want {
		t.Errorf("%d settings, %d names, and %d definitions", len(got), len(all), want)
	}
	for name, want := range map[string]string{
		"background.threads":               "1 INT DEFAULT_CONFIG altered",
		"num.network.threads":              "3 INT DEFAULT_CONFIG read-only",
		"log.cleaner.backoff.ms":           "15000 LONG DEFAULT_CONFIG altered",
		"log.retention.hours":              "168 INT DEFAULT_CONFIG altered",
		"ssl.key.password":                 "<null> PASSWORD DEFAULT_CONFIG read-only sensitive",
		"principal.builder.class":          "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder CLASS DEFAULT_CONFIG read-only",
		"broker.session.timeout.ms":        "10000 INT STATIC_BROKER_CONFIG read-only",
		"sasl.enabled.mechanisms":          " LIST DEFAULT_CONFIG read-only",
		"offsets.topic.replication.factor": "3 SHORT DEFAULT_CONFIG read-only",
		"log.dir":                          s.cfg.DataDir + " LIST STATIC_BROKER_CONFIG read-only",
		"listener.security.protocol.map":   "PLAINTEXT:PLAINTEXT STRING STATIC_BROKER_CONFIG read-only",
	} {
		c := all[name]
		line := fmt.Sprintf("%s %s %s ", text(c.Value), c.ConfigType, c.Source)
		if line += "altered"; c.ReadOnly {
			line = strings.TrimSuffix(line, "altered") + "read-only"
		}
		if c.IsSensitive {
			line += " sensitive"
		}
		if line != want {
			t.Errorf("%s is %q, want %q", name, line, want)
		}
	}
}

func TestBrokerSettingsThatCannotBeAlteredAreRefusedInKafkasWords(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	for name, c := range map[string]struct {
		broker, value string
		code          *kerr.Error
		says          string
	}{
		"log.cleaner.backoff.ms":   {"", "-1", kerr.InvalidRequest, "Invalid value -1 for configuration log.cleaner.backoff.ms: Value must be at least 0"},
		"socket.request.max.bytes": {"1", "104857600", kerr.InvalidRequest, "Cannot update these configs dynamically: [socket.request.max.bytes]"},
		"num.io.threads":           {"", "16", kerr.InvalidRequest, "Cannot update these configs dynamically: [num.io.threads]: goroutines come and go with the work, and there is no pool of them"},
		"ssl.client.auth":          {"", "none", kerr.InvalidRequest, "Cannot update these configs at default cluster level, broker id must be specified: [ssl.client.auth]"},
		"ssl.keystore.location":    {"1", "/k", kerr.InvalidRequest, "These security configs can be dynamically updated only per-listener using the listener prefix: [ssl.keystore.location]: how clients are let in is said when a broker starts"},
		"log.cleaner.backof.ms":    {"1", "5", kerr.InvalidConfig, "Unknown broker config name: log.cleaner.backof.ms; did you mean log.cleaner.backoff.ms?"},
	} {
		got := ask[*kmsg.IncrementalAlterConfigsResponse](w, 1, changeResourceRequest(ofBroker, c.broker, opSet, name, c.value)).Resources[0]
		if got.ErrorCode != c.code.Code || text(got.ErrorMessage) != c.says {
			t.Errorf("%s: code %d: %s", name, got.ErrorCode, text(got.ErrorMessage))
		}
	}
	// Tools write back what they have read.
	w.change(ofBroker, "", opSet, "num.io.threads", "8")
	w.change(ofBroker, "1", opSet, "ssl.client.auth", "none")
}

func TestConnectionsAreTurnedAwayByTheSettingOfTheMoment(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.change(ofBroker, "1", opSet, "max.connections", "16")
	served := func() bool {
		nc, err := net.Dial("tcp", s.Addr(""))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		nc.SetDeadline(time.Now().Add(wireTimeout))
		if _, err := nc.Write(kmsg.NewRequestFormatter().AppendRequest(nil, kmsg.NewPtrApiVersionsRequest(), 1)); err != nil {
			return false
		}
		_, err = nc.Read(make([]byte, 4))
		return err == nil
	}
	n := 1 // w
	for served() {
		n++
	}
	if n > 16 || n < 12 { // a client of the fixture has some as well
		t.Errorf("turned away with %d connections", n)
	}
	w.change(ofBroker, "1", opDelete, "max.connections", "")
	if !served() {
		t.Errorf("the limit still holds")
	}
}

func TestAProducerIsForgottenByTheSettingOfTheMoment(t *testing.T) {
	s, cl := startServer(t, func(c *Config) { c.HousekeepInterval = 10 * time.Millisecond })
	w := dial(t, s.Addr(""))
	w.createTopic("a", 1)
	write(t, cl, "a", 0, 1000)
	remembered := func() int {
		return len(ask[*kmsg.DescribeProducersResponse](w, 0, describeProducersRequest("a", 0)).Topics[0].Partitions[0].ActiveProducers)
	}
	if got := remembered(); got != 1 {
		t.Fatalf("%d producers are remembered", got)
	}
	w.change(ofBroker, "", opSet, "producer.id.expiration.ms", "1")
	for remembered() > 0 {
		time.Sleep(10 * time.Millisecond)
	}
}

func TestTopicDefaultsThatCannotHoldAreRefusedAtStart(t *testing.T) {
	for defaults, says := range map[[2]string]string{
		{"retention.ms", "soon"}:                       "Invalid value soon for configuration retention.ms",
		{"log.retention.ms", "soon"}:                   "Invalid value soon for configuration log.retention.ms",
		{"retention.ms", "0"}:                          "Invalid value 0 for configuration log.retention.ms: must be unlimited (-1)",
		{"log.retention.hours", "0"}:                   "Invalid value 0 for configuration log.retention.hours: must be unlimited (-1)",
		{"retention.mss", "1"}:                         "did you mean retention.ms?",
		{"num.io.threads", "8"}:                        "num.io.threads is no default of topics", // though it may be written back
		{"log.cleaner.threads", "0"}:                   "Value must be at least 1",
		{"node.id", "1"}:                               "node.id",
		{"leader.replication.throttled.replicas", "*"}: "single topics",
	} {
		cfg := Config{
			DataDir: t.TempDir(), Listeners: []Listener{{Name: "PLAINTEXT", Addr: "127.0.0.1:0"}},
			TopicDefaults: map[string]string{defaults[0]: defaults[1]},
		}
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v", defaults, err)
		}
	}
}
