package serve

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-log/lockstep/broker/security"
	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// perListener is a setting that each listener may have a value of its own for, by the
// listener's name; "" is for those that have none.
type perListener map[string]string

// of is the value for a listener.
func (p perListener) of(listener string) string {
	if v, ok := p[listener]; ok {
		return v
	}
	return p[""]
}

// setPerListener reads [NAME=]VALUE,...
func setPerListener(to func(*serveConfig) *perListener, check func(string) error) func(*serveConfig, string) error {
	return func(c *serveConfig, v string) error {
		p := perListener{}
		for _, item := range command.SplitList(v) {
			name, value, named := strings.Cut(item, "=")
			if !named {
				name, value = "", item
			}
			if value == "" {
				return fmt.Errorf("want [NAME=]VALUE, got %q", item)
			}
			if err := check(value); err != nil {
				return err
			}
			if _, twice := p[strings.ToLower(name)]; twice {
				return fmt.Errorf("%q is there twice", item)
			}
			p[strings.ToLower(name)] = value
		}
		*to(c) = p
		return nil
	}
}

// setSecurity reads [NAME=]PROTOCOL,... and, as Kafka's map has it, NAME:PROTOCOL,...
func setSecurity(c *serveConfig, v string) error {
	check := func(p string) error { _, err := security.ParseProtocol(p); return err }
	return setPerListener(func(c *serveConfig) *perListener { return &c.Security.Protocols }, check)(c, strings.ReplaceAll(v, ":", "="))
}

func anyText(string) error { return nil }

func clientAuth(v string) error { _, err := security.ParseClientAuth(v); return err }

func setMapping(c *serveConfig, v string) (err error) {
	c.Security.Mapping, err = security.ParseMappingRules(v)
	return err
}

// securityConfig is what the settings say of who may come in, before it is known which
// listeners there are.
type securityConfig struct {
	Protocols                                 perListener
	Cert, Key, ClientCA, ClientAuth, PeersCAs perListener
	Mapping                                   security.MappingRules

	Mechanisms                                perListener // separated by +
	UserFile                                  string
	Tokens                                    security.TokenOptions
	ReauthMs                                  int64
	PeerMechanism, PeerUser, PeerPasswordFile string
}

// tlsSettings are the settings of TLS, in the order in which they are missed.
var tlsSettings = []struct {
	name string
	of   func(*securityConfig) *perListener
}{
	{"tls-cert", func(s *securityConfig) *perListener { return &s.Cert }},
	{"tls-key", func(s *securityConfig) *perListener { return &s.Key }},
	{"tls-client-ca", func(s *securityConfig) *perListener { return &s.ClientCA }},
	{"tls-client-auth", func(s *securityConfig) *perListener { return &s.ClientAuth }},
	{"tls-ca", func(s *securityConfig) *perListener { return &s.PeersCAs }},
}

// secureListeners gives each listener its protocol and what that needs. What was set
// and is of no use to any listener is refused: somebody counts on it.
func (l *layers) secureListeners(c *serveConfig) error {
	if err := l.checkProtocolNames(c); err != nil {
		return err
	}
	for i := range c.Listeners {
		o := &c.Listeners[i]
		var err error
		if o.Protocol, err = l.protocolOf(c, o.Name); err != nil {
			return err
		}
	}
	if err := l.applyKafkaStores(c); err != nil {
		return err
	}
	if err := l.checkTLSUsed(c); err != nil {
		return err
	}
	for i := range c.Listeners {
		o := &c.Listeners[i]
		if !o.Protocol.Encrypts() {
			continue
		}
		if err := l.secureListener(c, o); err != nil {
			return err
		}
	}
	return l.applyMechanisms(c)
}

// secureListener completes a listener with TLS.
func (l *layers) secureListener(c *serveConfig, o *listener) error {
	s := &c.Security
	auth, err := security.ParseClientAuth(orNone(s.ClientAuth.of(o.Name)))
	if err != nil {
		return err
	}
	o.TLS = security.TLSFiles{
		Cert: s.Cert.of(o.Name), Key: s.Key.of(o.Name), ClientCA: s.ClientCA.of(o.Name), ClientAuth: auth, PeerCA: s.PeersCAs.of(o.Name),
	}
	switch {
	case o.TLS.Cert == "":
		return fmt.Errorf("listener %s speaks %s and has no certificate: set tls-cert and tls-key", o.Name, o.Protocol)
	case o.TLS.Key == "":
		return fmt.Errorf("listener %s speaks %s and its certificate has no key: set tls-key", o.Name, o.Protocol)
	case auth != security.ClientAuthNone && o.TLS.ClientCA == "":
		return fmt.Errorf("%s: listener %s asks clients for certificates, and no CA may have signed them: set tls-client-ca",
			l.describe("tls-client-auth"), o.Name)
	}
	return nil
}

func orNone(v string) string {
	if v == "" {
		return "none"
	}
	return v
}

// describe names a setting, its value and where it came from.
func (l *layers) describe(name string) string {
	return command.DescribeSetting(name, l.strongest(settingNamed(name)))
}

// protocolOf is what is spoken on a listener: as it was told; else as its name says, as
// in Kafka; else plain text, unless other listeners were told and this one was left out.
func (l *layers) protocolOf(c *serveConfig, name string) (security.Protocol, error) {
	told := c.Security.Protocols
	if said := told.of(name); said != "" {
		return security.ParseProtocol(said)
	}
	if named, err := security.ParseProtocol(name); err == nil {
		return named, nil
	}
	if len(told) > 0 && name != unnamed {
		return 0, fmt.Errorf("%s: listener %s has no security protocol there; give it one, as in %s=plaintext",
			l.describe("listener-security"), name, name)
	}
	return security.Plaintext, nil
}

// checkProtocolNames refuses a protocol for a listener that there is not. Kafka's map
// may name some that are opened elsewhere.
func (l *layers) checkProtocolNames(c *serveConfig) error {
	if strings.Contains(l.strongest(settingNamed("listener-security")).From, kafkaPrefix) {
		return nil
	}
	return l.checkListenerNames(c, "listener-security", c.Security.Protocols)
}

func (l *layers) checkListenerNames(c *serveConfig, setting string, p perListener) error {
	for name := range p {
		if name != "" && !slices.ContainsFunc(c.Listeners, func(o listener) bool { return o.Name == name }) {
			return fmt.Errorf("%s names %q, which is no listener; %s", l.describe(setting), name, l.describe("listen"))
		}
	}
	return nil
}

// checkTLSUsed refuses settings of TLS that no listener goes by.
func (l *layers) checkTLSUsed(c *serveConfig) error {
	anywhere := slices.ContainsFunc(c.Listeners, func(o listener) bool { return o.Protocol.Encrypts() })
	for _, s := range tlsSettings {
		p := *s.of(&c.Security)
		if err := l.checkListenerNames(c, s.name, p); err != nil {
			return err
		}
		for name, value := range p {
			switch {
			case s.name == "tls-client-auth" && value == "none":
			case name == "" && !anywhere:
				return fmt.Errorf("%s: no listener speaks TLS; see listener-security", l.describe(s.name))
			case name != "" && !c.listenerNamed(name).Protocol.Encrypts():
				return fmt.Errorf("%s: listener %s speaks %s, and has no use for it", l.describe(s.name), name,
					c.listenerNamed(name).Protocol)
			}
		}
	}
	return nil
}

func (c *serveConfig) listenerNamed(name string) *listener {
	i := slices.IndexFunc(c.Listeners, func(o listener) bool { return o.Name == name })
	if i < 0 {
		return nil
	}
	return &c.Listeners[i]
}

const (
	envKeystore       = "KAFKA_SSL_KEYSTORE_LOCATION"
	envKeystoreType   = "KAFKA_SSL_KEYSTORE_TYPE"
	envTruststore     = "KAFKA_SSL_TRUSTSTORE_LOCATION"
	envTruststoreType = "KAFKA_SSL_TRUSTSTORE_TYPE"
)

// applyKafkaStores carries out Kafka's stores in PEM (KIP-651): one file with the key
// and its certificates, and one with those of CAs. Java's own kinds are refused.
func (l *layers) applyKafkaStores(c *serveConfig) error {
	for _, store := range []struct {
		location, kind string
		to             []*perListener
	}{
		{envKeystore, envKeystoreType, []*perListener{&c.Security.Cert, &c.Security.Key}},
		{envTruststore, envTruststoreType, []*perListener{&c.Security.ClientCA}},
	} {
		path, ok := l.env.value[store.location]
		if !ok {
			continue
		}
		if !strings.EqualFold(l.env.value[store.kind], "PEM") {
			return fmt.Errorf("%s: only PEM is read: convert it, and set %s=PEM",
				command.DescribeSetting("tls store", l.env.given(store.location)), store.kind)
		}
		l.carried[store.location], l.carried[store.kind] = true, true
		for _, p := range store.to {
			if (*p)[""] == "" {
				*p = withDefault(*p, path)
			}
		}
	}
	return nil
}

func withDefault(p perListener, value string) perListener {
	if p == nil {
		p = perListener{}
	}
	p[""] = value
	return p
}

// applyInterBrokerProtocol carries out Kafka's security.inter.broker.protocol: the
// brokers use the one listener that has it.
func (l *layers) applyInterBrokerProtocol(c *serveConfig) error {
	const name = "KAFKA_SECURITY_INTER_BROKER_PROTOCOL"
	value, ok := l.env.value[name]
	if !ok {
		return nil
	}
	l.carried[name] = true
	wrong := func(err error) error {
		return fmt.Errorf("%s: %w", command.DescribeSetting("security.inter.broker.protocol", l.env.given(name)), err)
	}
	want, err := security.ParseProtocol(value)
	if err != nil {
		return wrong(err)
	}
	var found []string
	for _, o := range c.Listeners {
		if o.Protocol == want {
			found = append(found, o.Name)
		}
	}
	switch {
	case c.InterBrokerListener != "":
		return wrong(errors.New("it and inter-broker-listener exclude each other"))
	case len(found) != 1:
		return wrong(fmt.Errorf("%d listeners have it; name the one that is meant by inter-broker-listener", len(found)))
	}
	c.InterBrokerListener = found[0]
	return nil
}
