package command

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// complete fills in what was not typed: from -X, the file of properties and the profile,
// in this order.
func (s *Security) complete() error {
	for _, p := range s.properties {
		name, value, ok := strings.Cut(p, "=")
		if !ok {
			return fmt.Errorf("-X %s: want KEY=VALUE", p)
		}
		if known, err := s.property(strings.TrimSpace(name), strings.TrimSpace(value)); err != nil {
			return fmt.Errorf("-X %s: %w", name, err)
		} else if !known {
			return fmt.Errorf("-X %s is not known here", name)
		}
	}
	if s.file != "" {
		if err := s.propertyFile(s.file); err != nil {
			return err
		}
	}
	return nil
}

// propertyFile reads a Kafka client.properties. What it says of anything but security
// is left to Kafka's tools.
func (s *Security) propertyFile(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("--command-config: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for n, text := 1, ""; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if text == "" && (line == "" || line[0] == '#' || line[0] == '!') {
			continue
		}
		if more, continued := strings.CutSuffix(line, `\`); continued {
			text += more
			continue
		}
		text, line = "", text+line
		name, value := cutProperty(line)
		known, err := s.property(name, value)
		if err != nil {
			return fmt.Errorf("%s line %d: %s: %w", path, n, name, err)
		}
		if !known && asksForSecurity.MatchString(name) {
			return fmt.Errorf("%s line %d: %s asks for security and is not carried out here", path, n, name)
		}
	}
	return lines.Err()
}

var asksForSecurity = regexp.MustCompile(`^(ssl|sasl|security)\.`)

// cutProperty cuts a line of a properties file at its first = or :.
func cutProperty(line string) (name, value string) {
	i := strings.IndexAny(line, "=:")
	if i < 0 {
		return line, ""
	}
	return strings.TrimSpace(line[:i]), strings.ReplaceAll(strings.TrimSpace(line[i+1:]), `\n`, "\n")
}

// property takes a property by the name that Kafka's Java clients, or librdkafka, have
// for it, unless a stronger place has said it.
func (s *Security) property(name, value string) (known bool, err error) {
	weakly := func(to *string) (bool, error) {
		if *to == "" {
			*to = value
		}
		return true, nil
	}
	switch name {
	case "ssl.ca.location":
		return weakly(&s.ca)
	case "ssl.truststore.location":
		return weakly(&s.ca)
	case "ssl.certificate.location":
		return weakly(&s.cert)
	case "ssl.key.location":
		return weakly(&s.key)
	case "ssl.truststore.certificates":
		return weakly(&s.inlineCA)
	case "ssl.keystore.certificate.chain":
		return weakly(&s.inlineCert)
	case "ssl.keystore.key":
		return weakly(&s.inlineKey)
	case "sasl.mechanism", "sasl.mechanisms":
		return weakly(&s.mechanism)
	case "sasl.username":
		return weakly(&s.user)
	case "sasl.password":
		return weakly(&s.password)
	}
	return s.choice(name, value)
}

// choice is property for those that are no plain text.
func (s *Security) choice(name, value string) (known bool, err error) {
	switch name {
	case "ssl.keystore.location": // in PEM: key and certificate in one file
		if s.cert == "" && s.key == "" {
			s.cert, s.key = value, value
		}
	case "ssl.truststore.type", "ssl.keystore.type":
		if !strings.EqualFold(value, "PEM") {
			return true, fmt.Errorf("only PEM is read, not %s", value)
		}
	case "ssl.endpoint.identification.algorithm":
		if value != "https" {
			return true, fmt.Errorf("a broker's name is always checked; want https")
		}
	case "security.protocol":
		return true, s.protocol(value)
	case "sasl.jaas.config":
		return true, s.jaas(value)
	case "bootstrap.servers", "client.id":
		// --brokers says the one; the other is lockstep's own.
	default:
		return false, nil
	}
	return true, nil
}

func (s *Security) protocol(value string) error {
	switch strings.ToUpper(value) {
	case "PLAINTEXT", "SASL_PLAINTEXT":
		s.plaintext = true
	case "SSL", "SASL_SSL", "TLS", "SASL_TLS":
		s.tls = true
	default:
		return fmt.Errorf("%q is no security protocol", value)
	}
	return nil
}

var (
	jaasModule = regexp.MustCompile(`\.(PlainLoginModule|ScramLoginModule)\s+required\b`)
	jaasOption = regexp.MustCompile(`\b(username|password)="((?:\\.|[^"\\])*)"`)
	jaasEscape = regexp.MustCompile(`\\(.)`)
)

// jaas reads the user and the password of Kafka's login modules.
func (s *Security) jaas(value string) error {
	if !jaasModule.MatchString(value) {
		return fmt.Errorf("want the PlainLoginModule or the ScramLoginModule of Kafka, required, with username and password")
	}
	for _, found := range jaasOption.FindAllStringSubmatch(value, -1) {
		text := jaasEscape.ReplaceAllString(found[2], "$1")
		switch {
		case found[1] == "username" && s.user == "":
			s.user = text
		case found[1] == "password" && s.password == "":
			s.password = text
		}
	}
	return nil
}
