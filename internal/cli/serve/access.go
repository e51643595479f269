package serve

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/lockstep-log/lockstep/broker"
	"github.com/lockstep-log/lockstep/broker/security"
)

// accessConfig is who may do what, and who is told of it.
type accessConfig struct {
	on           bool
	superUsers   []security.Principal
	allowIfNone  bool
	plaintext    bool   // a plaintext listener that others can reach was asked for twice
	auditFile    string // "" = none; "-" = standard error
	auditAllowed bool

	metricsLockNames bool
}

// kafkaAuthorizers are the classes of Kafka whose semantics ours has.
var kafkaAuthorizers = []string{
	"org.apache.kafka.metadata.authorizer.StandardAuthorizer", "kafka.security.authorizer.AclAuthorizer",
}

func setAuthorizer(c *serveConfig, v string) error {
	switch strings.TrimSpace(v) {
	case "on", kafkaAuthorizers[0], kafkaAuthorizers[1]:
		c.Access.on = true
	case "off", "":
		c.Access.on = false
	default:
		return errors.New("want on or off, or Kafka's StandardAuthorizer by its class: there is no other")
	}
	return nil
}

// setSuperUsers reads Kafka's list: names may hold commas, as those of certificates do.
func setSuperUsers(c *serveConfig, v string) error {
	c.Access.superUsers = nil
	for item := range strings.SplitSeq(v, ";") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		p, ok := security.ParsePrincipal(item)
		switch {
		case !ok || p.Name == "":
			return fmt.Errorf("want KIND:NAME;..., as User:admin, got %q", item)
		case strings.Contains(p.Name, ",User:"):
			return fmt.Errorf("separate super users by a semicolon, got %q", item)
		}
		c.Access.superUsers = append(c.Access.superUsers, p)
	}
	return nil
}

// checkAccess refuses what would promise more than it keeps.
func (c *serveConfig) checkAccess(from func(string) string) error {
	a := &c.Access
	if !a.on {
		return c.checkNoAccess(from)
	}
	if a.plaintext {
		return nil
	}
	for _, l := range c.Listeners {
		if l.unprotected() && !isLoopback(l.Host) {
			return fmt.Errorf("%s: everybody who reaches listener %s is ANONYMOUS there, and what is said can be read and changed on its way; "+
				"if that is meant, set authorizer-on-plaintext as well", from("authorizer"), l)
		}
	}
	return nil
}

// checkNoAccess refuses what makes sense with an authorizer alone.
func (c *serveConfig) checkNoAccess(from func(string) string) error {
	for _, asked := range []struct {
		name string
		is   bool
	}{
		{"super-users", len(c.Access.superUsers) > 0}, {"allow-if-no-acl", c.Access.allowIfNone}, {"audit-log", c.Access.auditFile != ""},
	} {
		if asked.is {
			return fmt.Errorf("%s asks for access control, and %s", from(asked.name), from("authorizer"))
		}
	}
	return nil
}

// unprotected reports whether clients prove nothing on the listener, and are not encrypted.
func (l *listener) unprotected() bool { return l.Protocol == security.Plaintext }

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (a *accessConfig) limit(out *broker.Config) {
	if a.on {
		out.Authorizer = &broker.AuthorizerConfig{SuperUsers: a.superUsers, AllowIfNone: a.allowIfNone}
	}
	out.AuditAllowed, out.MetricsLockNames = a.auditAllowed, a.metricsLockNames
}

// auditFile is where the audit goes, and what is to be closed.
type auditFile struct {
	out  io.Writer
	file *os.File
}

func (a *accessConfig) openAudit() (auditFile, error) {
	switch a.auditFile {
	case "":
		return auditFile{}, nil
	case "-":
		return auditFile{out: os.Stderr}, nil
	}
	f, err := os.OpenFile(a.auditFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return auditFile{}, fmt.Errorf("audit log: %w", err)
	}
	return auditFile{out: f, file: f}, nil
}

// Close closes the file, if there is one.
func (a auditFile) Close() {
	if a.file != nil {
		a.file.Close()
	}
}
