package quota

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// The limits that are carried out, by Kafka's names.
const (
	ProducerByteRate = "producer_byte_rate"
	ConsumerByteRate = "consumer_byte_rate"
)

// Keys are all of them.
var Keys = []string{ConsumerByteRate, ProducerByteRate}

// Part is one half of an entity. The zero value is left out: it says nothing of that half.
type Part struct {
	Named   bool // a name; without Default and Named the part is left out
	Default bool // all that have no limit by name
	Name    string
}

// Named is a part by name.
func Named(name string) Part { return Part{Named: true, Name: name} }

// Default is the part of all that have no limit by name.
var Default = Part{Default: true}

// Is reports whether the part says anything.
func (p Part) Is() bool { return p.Named || p.Default }

// Entity is whom a limit is for.
type Entity struct{ User, ClientID Part }

// Validate refuses what is for nobody.
func (e Entity) Validate() error {
	for _, p := range []Part{e.User, e.ClientID} {
		if p.Named && p.Name == "" {
			return fmt.Errorf("an entity's name is empty")
		}
	}
	if !e.User.Is() && !e.ClientID.Is() {
		return fmt.Errorf("Invalid empty client quota entity") //nolint:staticcheck // Kafka's words
	}
	return nil
}

// CheckLimit refuses a limit that Kafka would, and one that is not carried out here.
func CheckLimit(key string, value float64) error {
	switch {
	case !slices.Contains(Keys, key):
		return fmt.Errorf("%q is no quota that is carried out here; there are %v", key, Keys)
	case math.IsNaN(value) || value <= 0:
		return fmt.Errorf("Quota %s must be greater than 0", key) //nolint:staticcheck // Kafka's words
	case value != math.Trunc(value):
		return fmt.Errorf("%s cannot be a fractional value.", key) //nolint:staticcheck // Kafka's words
	case value >= math.MaxInt64:
		return fmt.Errorf("Proposed value for %s is too large for a LONG.", key) //nolint:staticcheck // Kafka's words
	}
	return nil
}

// Set is all limits. It never changes, and is safe for concurrent use.
type Set struct{ limits map[Entity]Limits }

// Limits are those of one entity, with the revision they were written at; 0: there are none.
type Limits struct {
	Values   map[string]float64
	Revision int64
}

// With is the set with an entity's limits; none remove it.
func (s *Set) With(e Entity, values map[string]float64, revision int64) *Set {
	next := &Set{limits: map[Entity]Limits{}}
	if s != nil {
		maps.Copy(next.limits, s.limits)
	}
	if next.limits[e] = (Limits{values, revision}); len(values) == 0 {
		delete(next.limits, e)
	}
	return next
}

// Size is the number of entities. s may be nil, as for all methods.
func (s *Set) Size() int {
	if s == nil {
		return 0
	}
	return len(s.limits)
}

// Limits are those of one entity. They are not to be changed.
func (s *Set) Limits(e Entity) Limits {
	if s == nil {
		return Limits{}
	}
	return s.limits[e]
}

// Entities are all that have limits, in no order.
func (s *Set) Entities() []Entity {
	if s == nil {
		return nil
	}
	return slices.Collect(maps.Keys(s.limits))
}

// Resolve finds the limit that holds for a client. All who are one by counted share it:
// a limit for a user and a client id counts each pair by itself, one for users each user.
func (s *Set) Resolve(key, user, clientID string) (limit float64, counted Entity, ok bool) {
	if s.Size() == 0 {
		return 0, Entity{}, false
	}
	u, c, none := Named(user), Named(clientID), Part{}
	for _, e := range [...]struct{ of, counted Entity }{
		{Entity{u, c}, Entity{u, c}}, {Entity{u, Default}, Entity{u, c}}, {Entity{u, none}, Entity{u, none}},
		{Entity{Default, c}, Entity{u, c}}, {Entity{Default, Default}, Entity{u, c}}, {Entity{Default, none}, Entity{u, none}},
		{Entity{none, c}, Entity{none, c}}, {Entity{none, Default}, Entity{none, c}},
	} {
		if limit, ok = s.limits[e.of].Values[key]; ok {
			return limit, e.counted, true
		}
	}
	return 0, Entity{}, false
}
