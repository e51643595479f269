package settings

import (
	"fmt"
	"regexp"
)

// carryTopics is the broker setting of CarryTopics. Its default knows the topics that
// Kafka Streams makes for itself, and dead letter topics by their usual names.
const (
	carryTopics        = "conflict.carry.topics"
	carryTopicsDefault = `.+-(repartition|changelog),.+[-._](?i:dlq|dlt|dead-letter)(-.*)?`
)

// CarryTopics are the patterns of topics that hold copies: what a pipeline writes
// there has the headers of what it read elsewhere, and they ask nothing of this log.
// A topic whose name one of them matches has conflict.policy=carry, if it sets no
// policy itself.
type CarryTopics struct {
	patterns []carryPattern
	source   Source
}

type carryPattern struct {
	text string
	re   *regexp.Regexp // of whole names
}

// CarryTopicsOf are the patterns that hold on a broker with these layers, strongest first.
func CarryTopicsOf(layers ...Layer) CarryTopics {
	d, _ := LookupBroker(carryTopics)
	v := resolveBroker(&d, layers)
	c := CarryTopics{source: v.Source}
	// One that does not compile was set by a later version: it matches nothing.
	c.patterns, _ = compileCarry(v.Value)
	return c
}

// compileCarry compiles the patterns of a list. The error is about the first that
// is none.
func compileCarry(value string) (all []carryPattern, err error) {
	for _, text := range Items(value) {
		re, bad := regexp.Compile(text)
		if bad == nil {
			re, bad = regexp.Compile(`^(?:` + text + `)$`)
		}
		switch {
		case bad == nil:
			all = append(all, carryPattern{text, re})
		case err == nil:
			err = errItem{text, fmt.Errorf("must be a regular expression of RE2: %w", bad)}
		}
	}
	return all, err
}

func bindCarryTopics(b *Broker, value string) error {
	_, err := compileCarry(value)
	b.CarryTopics = value
	return err
}

// Match is the first pattern by which a topic with these settings of its own carries.
func (c CarryTopics) Match(topic string, overrides map[string]string) (pattern string, ok bool) {
	if _, own := overrides["conflict.policy"]; own {
		return "", false
	}
	for _, p := range c.patterns {
		if p.re.MatchString(topic) {
			return p.text, true
		}
	}
	return "", false
}

// Parse is the settings that hold for a topic, with the policy that its name gives it.
func (c CarryTopics) Parse(topic string, overrides map[string]string, layers ...Layer) (Topic, error) {
	t, err := Parse(overrides, layers...)
	if _, ok := c.Match(topic, overrides); ok {
		t.ConflictPolicy = ConflictCarry
	}
	return t, err
}

// Resolve is every setting of a topic and where it comes from. A policy that the
// topic's name gives it comes from the pattern, and where that was set.
func (c CarryTopics) Resolve(topic string, overrides map[string]string, layers ...Layer) []Value {
	all := Resolve(overrides, layers...)
	pattern, ok := c.Match(topic, overrides)
	if !ok {
		return all
	}
	for i := range all {
		if v := &all[i]; v.Definition.Name == "conflict.policy" {
			v.Value, v.Source = string(ConflictCarry), c.source
			v.Synonyms = append([]Synonym{{Name: carryTopics, Value: pattern, Source: c.source}}, v.Synonyms...)
		}
	}
	return all
}
