package serve

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// layers holds what each layer says, before the strongest is taken:
// flags, then LOCKSTEP_ variables, then Kafka's container variables, then the
// file, then defaults.
type layers struct {
	flags map[string]string // settings whose flag was typed
	env   variables
	file  map[string]command.Given
	path  string // of the file, for messages

	carried   map[string]bool // variables of Kafka's that were carried out beside the table
	defaulted map[string]bool // topic defaults that they set
}

// loadConfig merges the layers into a checked configuration; with an error, it is
// the log's format alone that is good. flags holds the
// flags that were typed, by setting; path names a YAML file or is empty.
func loadConfig(flags map[string]string, environ []string, path string) (serveConfig, error) {
	l := layers{flags: flags, env: environment(environ), path: path, carried: map[string]bool{},
		defaulted: map[string]bool{}}
	if path == "" {
		l.path = l.env.value["LOCKSTEP_CONFIG"]
	}
	if l.path != "" {
		var err error
		if l.file, err = readFile(l.path); err != nil {
			return serveConfig{LogFormat: l.logFormat()}, err
		}
	}
	return l.merge()
}

func (l *layers) merge() (serveConfig, error) {
	c := serveConfig{TopicDefaults: map[string]string{}, LogFormat: l.logFormat()}
	for i := range settings {
		s := &settings[i]
		g := l.strongest(s)
		if g.Value == "" && s.def == "" {
			continue
		}
		if err := s.set(&c, g.Value); err != nil {
			return c, fmt.Errorf("%s: %w", command.DescribeSetting(s.name, g), err)
		}
	}
	l.dropControllers(&c)
	for _, apply := range []func(*serveConfig) error{
		l.refuseTwoWords, l.applyKafkaTopicDefaults, l.applyKafkaBrokers, l.checkTopicDefaults, l.applyKafkaGroups,
		l.applyKafkaLimits, l.refuseNotDone,
		l.secureListeners, l.applyInterBrokerProtocol, l.checkInterBroker, l.checkSecurity,
	} {
		if err := apply(&c); err != nil {
			return c, err
		}
	}
	c.Idle, c.Ignored = l.leftOver()
	return c, c.check(func(name string) string {
		s := settingNamed(name)
		return command.DescribeSetting(name, l.strongest(s))
	})
}

// logFormat is needed to tell what is wrong with the rest.
func (l *layers) logFormat() string { return l.strongest(settingNamed("log-format")).Value }

// strongest finds the layer that decides a setting.
func (l *layers) strongest(s *setting) command.Given {
	if v, ok := l.flags[s.name]; ok {
		return command.Given{Value: v, From: "flag --" + s.name}
	}
	for _, name := range append([]string{s.env()}, s.kafka...) {
		if _, ok := l.env.value[name]; ok {
			return l.env.given(name)
		}
	}
	if g, ok := l.file[s.name]; ok {
		return g
	}
	return command.Given{Value: s.def, From: "default"}
}

func settingNamed(name string) *setting {
	for i := range settings {
		if settings[i].name == name {
			return &settings[i]
		}
	}
	return nil
}

// unknown lists the variables with our prefix or Kafka's that set nothing. Those
// that ask for security are refused. The others are logged and not refused:
// Kubernetes makes LOCKSTEP_PORT and its like of a service's name, and images
// carry many KAFKA_ variables.
func (l *layers) unknown() []string {
	known := map[string]bool{"LOCKSTEP_CONFIG": true, "LOCKSTEP_BROKERS": true}
	for i := range settings {
		known[settings[i].env()] = true
		for _, name := range settings[i].kafka {
			known[name] = true
		}
	}
	known[envControllerListeners] = true
	for _, v := range kafkaGroups {
		known[v.env] = true
	}
	var names []string
	for name := range l.env.value {
		if (strings.HasPrefix(name, kafkaPrefix) || strings.HasPrefix(name, "LOCKSTEP_")) && !known[name] &&
			!l.carried[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// readFile reads a YAML file of settings, each with the line it stands on.
func readFile(path string) (map[string]command.Given, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("setting config: %w", err)
	}
	var doc yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(b))
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("setting config = %q: %w", path, err)
	}
	var second yaml.Node
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("setting config = %q: want one document of settings, and another begins at line %d", path,
			second.Line)
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("setting config = %q: want settings as name: value", path)
	}
	file := map[string]command.Given{}
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, node := top.Content[i], top.Content[i+1]
		from := fmt.Sprintf("%s line %d", path, key.Line)
		if settingNamed(key.Value) == nil {
			return nil, fmt.Errorf("setting %s (%s) is unknown%s", key.Value, from,
				command.DidYouMean(nearestSettings(key.Value)))
		}
		value, err := flatten(key.Value, node)
		if err != nil {
			return nil, fmt.Errorf("setting %s (%s): %w", key.Value, from, err)
		}
		file[key.Value] = command.Given{Value: value, From: from}
	}
	return file, nil
}

// flatten writes a YAML value as the flag would have it: lists by commas, and
// maps as pairs with the sign that the setting uses.
func flatten(name string, node *yaml.Node) (string, error) {
	switch node.Kind {
	case yaml.ScalarNode:
		if node.Tag == "!!null" {
			return "", nil
		}
		return node.Value, nil
	case yaml.AliasNode:
		return flatten(name, node.Alias)
	case yaml.SequenceNode:
		return flattenItems(node.Content)
	case yaml.MappingNode:
		return flattenPairs(node.Content, pairSign(name))
	}
	return "", fmt.Errorf("want a value, a list or a map")
}

// pairSign is what stands between the name and the value of an item.
func pairSign(name string) string {
	switch name {
	case "topics":
		return ":"
	case "listen", "advertise":
		return "://"
	}
	return "="
}

func flattenItems(nodes []*yaml.Node) (string, error) {
	items := make([]string, len(nodes))
	for i, n := range nodes {
		if n.Kind != yaml.ScalarNode {
			return "", fmt.Errorf("want plain values in the list at line %d", n.Line)
		}
		items[i] = n.Value
	}
	return strings.Join(items, ","), nil
}

func flattenPairs(nodes []*yaml.Node, sign string) (string, error) {
	var pairs []string
	for i := 0; i+1 < len(nodes); i += 2 {
		if nodes[i+1].Kind != yaml.ScalarNode {
			return "", fmt.Errorf("want plain values in the map at line %d", nodes[i+1].Line)
		}
		pairs = append(pairs, nodes[i].Value+sign+nodes[i+1].Value)
	}
	return strings.Join(pairs, ","), nil
}

// nearestSettings finds the names that a mistyped one may have meant: those
// that share the most of their beginning.
func nearestSettings(typed string) []string {
	typed = strings.ReplaceAll(strings.ToLower(typed), "_", "-")
	best := slices.MaxFunc(settings, func(a, b setting) int {
		return cmp.Compare(commonPrefix(a.name, typed), commonPrefix(b.name, typed))
	})
	if commonPrefix(best.name, typed) < 3 {
		return nil
	}
	return []string{best.name}
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
