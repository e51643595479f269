package serve

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-log/lockstep/broker/security"
	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// mechanismsDefault are those of a listener with SASL that was told none: users of both
// are kept in the metadata, and nothing else has to be set.
const mechanismsDefault = security.ScramSHA512 + "+" + security.ScramSHA256

// mechanisms are those of a listener.
func (l *listener) mechanisms() []string {
	if l.Mechanisms == "" {
		return nil
	}
	return strings.Split(l.Mechanisms, "+")
}

// setMechanisms reads [NAME=]MECHANISM+MECHANISM,...; without names the mechanisms may
// be separated by commas as well.
func setMechanisms(c *serveConfig, v string) error {
	if !strings.Contains(v, "=") {
		v = strings.Join(command.SplitList(v), "+")
	}
	check := func(list string) error { return security.CheckMechanisms(strings.Split(list, "+")) }
	return setPerListener(func(c *serveConfig) *perListener { return &c.Security.Mechanisms }, check)(c, v)
}

func setClockSkew(c *serveConfig, v string) error {
	var seconds int32
	if err := parseInt32(v, 0, &seconds); err != nil {
		return err
	}
	c.Security.Tokens.ClockSkew = max(time.Duration(seconds)*time.Second, time.Nanosecond) // 0 is none, and not the default
	return nil
}

// applyMechanisms gives the listeners with SASL their mechanisms, and refuses what is
// missing, and what is of no use to any of them.
func (l *layers) applyMechanisms(c *serveConfig) error {
	s := &c.Security
	if err := l.applyKafkaMechanisms(c); err != nil {
		return err
	}
	if err := l.checkListenerNames(c, "sasl-mechanisms", s.Mechanisms); err != nil {
		return err
	}
	used := map[string]bool{}
	for i := range c.Listeners {
		o := &c.Listeners[i]
		if !o.Protocol.Authenticates() {
			if _, own := s.Mechanisms[o.Name]; own {
				return fmt.Errorf("%s: listener %s speaks %s, which has no mechanisms", l.describe("sasl-mechanisms"), o.Name, o.Protocol)
			}
			continue
		}
		list := s.Mechanisms.of(o.Name)
		if list == "" {
			list = mechanismsDefault
		}
		o.Mechanisms = list
		for _, m := range o.mechanisms() {
			used[m] = true
		}
	}
	return l.checkMechanisms(c, used)
}

// checkMechanisms wants what each mechanism needs, and nothing that none does.
func (l *layers) checkMechanisms(c *serveConfig, used map[string]bool) error {
	s := &c.Security
	unused := func(setting, why string) error { return fmt.Errorf("%s: %s", l.describe(setting), why) }
	switch {
	case len(used) == 0 && len(s.Mechanisms) > 0:
		return unused("sasl-mechanisms", "no listener has SASL; see listener-security")
	case len(used) == 0 && s.ReauthMs > 0:
		return unused("max-reauth", "no listener has SASL; see listener-security")
	case used[security.Plain] && s.UserFile == "":
		return fmt.Errorf("a listener takes PLAIN, and there are no users: set sasl-users-file")
	case !used[security.Plain] && s.UserFile != "":
		return unused("sasl-users-file", "no listener takes PLAIN")
	}
	return l.checkTokens(s, used[security.OAuthBearer])
}

// checkTokens is checkMechanisms for OAUTHBEARER.
func (l *layers) checkTokens(s *securityConfig, used bool) error {
	unused := func(setting string) error {
		return fmt.Errorf("%s: no listener takes OAUTHBEARER", l.describe(setting))
	}
	switch t := &s.Tokens; {
	case used && !t.Unsecured && (t.JWKSURL == "" || t.Issuer == ""):
		return fmt.Errorf("a listener takes OAUTHBEARER: set oauth-jwks-url and oauth-issuer")
	case used && t.Unsecured && t.JWKSURL != "":
		return fmt.Errorf("%s: tokens are either signed or not; oauth-jwks-url says that they are", l.describe("oauth-unsigned-tokens"))
	case used:
	case t.JWKSURL != "":
		return unused("oauth-jwks-url")
	case t.Issuer != "":
		return unused("oauth-issuer")
	case len(t.Audience) > 0:
		return unused("oauth-audience")
	case t.Unsecured:
		return unused("oauth-unsigned-tokens")
	}
	return nil
}

// applyKafkaMechanisms carries out Kafka's list of mechanisms, which is of all listeners.
func (l *layers) applyKafkaMechanisms(c *serveConfig) error {
	const name = "KAFKA_SASL_ENABLED_MECHANISMS"
	value, ok := l.env.value[name]
	if !ok {
		return nil
	}
	l.carried[name] = true
	list := command.SplitList(value)
	if err := security.CheckMechanisms(list); err != nil {
		return fmt.Errorf("%s: %w", command.DescribeSetting("sasl.enabled.mechanisms", l.env.given(name)), err)
	}
	if len(c.Security.Mechanisms) == 0 {
		c.Security.Mechanisms = perListener{"": strings.Join(list, "+")}
	}
	return nil
}

// checkInterBroker wants a user for brokers that meet on a listener with SASL.
func (l *layers) checkInterBroker(c *serveConfig) error {
	s := &c.Security
	name := c.InterBrokerListener
	if name == "" {
		name = c.Listeners[0].Name
	}
	o := c.listenerNamed(name)
	if o == nil {
		return nil // check says so
	}
	alone := len(c.Etcd) == 0 && len(c.EtcdPeers) <= 1
	switch has := s.PeerUser != "" && s.PeerPasswordFile != ""; {
	case !o.Protocol.Authenticates() && (s.PeerUser != "" || s.PeerPasswordFile != ""):
		return fmt.Errorf("%s: brokers meet on listener %s, which has no SASL", l.describe("inter-broker-user"), o.Name)
	case o.Protocol.Authenticates() && !has && !alone:
		return fmt.Errorf("brokers meet on listener %s, which has SASL: set inter-broker-user and inter-broker-password-file", o.Name)
	case has && !slices.Contains(o.mechanisms(), s.PeerMechanism):
		return fmt.Errorf("%s is not among the mechanisms of listener %s", l.describe("inter-broker-mechanism"), o.Name)
	}
	return nil
}
