package security

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// MappingRules make a user's name of the distinguished name of a certificate:
// ssl.principal.mapping.rules (KIP-371). The first rule that fits decides.
//
//	DEFAULT                     the whole name
//	RULE:PATTERN/REPLACEMENT/   what PATTERN, which must fit the whole name, is replaced by
//	RULE:PATTERN/REPLACEMENT/L  the same in lower case; U: in upper case
//
// Patterns are RE2's, which lack Java's look-arounds and back references; a rule that
// has one is refused rather than read otherwise.
type MappingRules struct{ rules []mappingRule }

type mappingRule struct {
	pattern     *regexp.Regexp // nil: DEFAULT
	replacement string
	fold        func(string) string // nil: as it is
}

// errNoRule is a certificate whose name no rule fits: its client is nobody.
var errNoRule = errors.New("no principal mapping rule fits the certificate's name")

// ruleText is one rule at the beginning of a list. A slash in the pattern is escaped.
var ruleText = regexp.MustCompile(`^RULE:((?:\\.|[^\\/])*)/([^/]*)/([LU]?)\s*(?:,|$)`)

var defaultText = regexp.MustCompile(`^DEFAULT\s*(?:,|$)`)

// groupReference is $1 in Java's replacements, where a digit ends it.
var groupReference = regexp.MustCompile(`\$(\d)`)

// ParseMappingRules reads rules separated by commas; none are DEFAULT.
func ParseMappingRules(s string) (MappingRules, error) {
	var m MappingRules
	rest := strings.TrimSpace(s)
	for rest != "" {
		if found := defaultText.FindString(rest); found != "" {
			m.rules = append(m.rules, mappingRule{})
			rest = strings.TrimSpace(rest[len(found):])
			continue
		}
		found := ruleText.FindStringSubmatch(rest)
		if found == nil {
			return m, fmt.Errorf("want DEFAULT or RULE:PATTERN/REPLACEMENT/[LU], got %q", rest)
		}
		r, err := newMappingRule(found[1], found[2], found[3])
		if err != nil {
			return m, err
		}
		m.rules = append(m.rules, r)
		rest = strings.TrimSpace(rest[len(found[0]):])
	}
	return m, nil
}

func newMappingRule(pattern, replacement, fold string) (r mappingRule, err error) {
	if r.pattern, err = regexp.Compile("^(?:" + pattern + ")$"); err != nil {
		return r, fmt.Errorf("rule %q: %w", pattern, err)
	}
	r.replacement = groupReference.ReplaceAllString(replacement, "$${$1}")
	switch fold {
	case "L":
		r.fold = strings.ToLower
	case "U":
		r.fold = strings.ToUpper
	}
	return r, nil
}

// Name is the user's name of a distinguished name.
func (m MappingRules) Name(dn string) (string, error) {
	if len(m.rules) == 0 {
		return dn, nil
	}
	for _, r := range m.rules {
		switch {
		case r.pattern == nil:
			return dn, nil
		case r.pattern.MatchString(dn):
			name := r.pattern.ReplaceAllString(dn, r.replacement)
			if r.fold != nil {
				name = r.fold(name)
			}
			return name, nil
		}
	}
	return "", errNoRule
}
