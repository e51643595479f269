package group

import (
	"fmt"
	"regexp"
	"slices"
)

// compilePattern makes a subscription's expression, in RE2's syntax. It must
// match a whole name.
func compilePattern(text string) (*regexp.Regexp, error) {
	if len(text) > patternBytesMax {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", ErrInvalidPattern, patternBytesMax)
	}
	if _, err := regexp.Compile(text); err != nil { // alone, so that it cannot close the group below
		return nil, fmt.Errorf("%w: %w", ErrInvalidPattern, err)
	}
	expr, err := regexp.Compile(`\A(?:` + text + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidPattern, err)
	}
	return expr, nil
}

// matches are the topics that a pattern means now. Members with the same
// pattern share the work.
func (c *Coordinator) matches(mg *modern, text string) []string {
	p := mg.patterns[text]
	if p == nil {
		p = &pattern{}
		p.expr, _ = compilePattern(text) // nil: from a log whose writer knew another syntax
		mg.patterns[text] = p
	} else if p.seen == c.topicsSeen {
		return p.matches
	}
	p.seen, p.matches = c.topicsSeen, nil
	if p.expr != nil {
		c.topics.EachTopic(func(t Topic) {
			if p.expr.MatchString(t.Name) {
				p.matches = append(p.matches, t.Name)
			}
		})
	}
	slices.Sort(p.matches)
	return p.matches
}

// subscriptions are the existing topics that a member subscribes to, by name.
func (c *Coordinator) subscriptions(mg *modern, m *consumer) []Topic {
	names := m.names
	if m.pattern != "" {
		names = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(names), c.matches(mg, m.pattern)...))))
	}
	topics := make([]Topic, 0, len(names))
	for _, name := range names {
		if t, ok := c.topics.Topic(name); ok {
			topics = append(topics, t)
		}
	}
	return topics
}
