package settings

import (
	"cmp"
	"slices"
)

// Type is a setting's type, numbered as in Kafka's DescribeConfigs response.
type Type int8

// The types in use.
const (
	Bool     Type = 1
	String   Type = 2
	Int      Type = 3
	Short    Type = 4
	Long     Type = 5
	Double   Type = 6
	List     Type = 7
	Class    Type = 8
	Password Type = 9
)

var typeNames = map[Type]string{
	Bool: "boolean", String: "string", Int: "int", Short: "short", Long: "long",
	Double: "double", List: "list", Class: "class", Password: "password",
}

// String is Kafka's name of the type.
func (t Type) String() string {
	if name, ok := typeNames[t]; ok {
		return name
	}
	return "unknown"
}

// Importance says how likely a user is to need a setting.
type Importance string

// The grades of importance.
const (
	High   Importance = "high"
	Medium Importance = "medium"
	Low    Importance = "low"
)

// Definition describes one setting.
type Definition struct {
	Name       string
	Type       Type
	Default    string
	NoDefault  bool // a broker setting that is unset unless somebody sets it
	Importance Importance
	Doc        string
	// ReadOnly settings are shown and cannot be altered while running.
	ReadOnly bool
	// ShownWhereSet: a broker setting that is not described where nobody has set it.
	ShownWhereSet bool
	// Synonyms are the broker-level names of a topic's or group's setting, strongest first.
	Synonyms []BrokerName
	// BrokerUnset: the weakest of them is unset unless somebody sets it.
	BrokerUnset bool

	// bind parses and checks a value and stores it in t; bindGroup, of a group's
	// setting, in g; bindBroker, of a broker's own that can be altered, in b.
	bind       func(t *Topic, value string) error
	bindGroup  func(g *Group, value string) error
	bindBroker func(b *Broker, value string) error

	// clusterOnly: a broker setting that has to be the same on all brokers.
	clusterOnly bool
	// idle says why nothing depends on a setting that Kafka has; "" = something does.
	idle string
	// update is where Kafka lets a broker setting be altered.
	update updateMode
}

// BrokerName is a broker-level name of a topic's or group's setting. One of its
// units is Unit of that setting's: log.retention.hours counts 3,600,000 ms.
type BrokerName struct {
	Name string
	Unit int64
}

// Definitions returns all topic settings, by name. The caller must not change what they share.
func Definitions() []Definition { return slices.Clone(topicTable) }

// Lookup returns a topic setting.
func Lookup(name string) (Definition, bool) { return find(topicTable, name) }

// GroupDefinitions returns all settings of single groups, by name.
func GroupDefinitions() []Definition { return slices.Clone(groupTable) }

// BrokerDefinitions returns all broker settings, by name.
func BrokerDefinitions() []Definition { return slices.Clone(brokerTable) }

// LookupBroker returns a broker setting.
func LookupBroker(name string) (Definition, bool) { return find(brokerTable, name) }

func find(table []Definition, name string) (Definition, bool) {
	i, ok := slices.BinarySearchFunc(table, name, func(d Definition, name string) int {
		return cmp.Compare(d.Name, name)
	})
	if !ok {
		return Definition{}, false
	}
	return table[i], true
}

func sortedByName(table []Definition) []Definition {
	slices.SortFunc(table, func(a, b Definition) int { return cmp.Compare(a.Name, b.Name) })
	return table
}
