package serve

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A broker that was asked for TLS, passwords or access control and opens a plain
// port instead is worse than one that does not start. So what asks for any of
// them, and is not understood, ends the start. What is carried out stands in the
// settings table, or is marked as carried.

// securityWords are parts of names of variables that ask for TLS, for who somebody
// is, or for what he may do: those of Kafka, of its images, and those that
// Lockstep will have.
var securityWords = map[string]bool{
	"SSL": true, "TLS": true, "MTLS": true, "KEYSTORE": true, "TRUSTSTORE": true, "CERT": true, "CERTIFICATE": true,
	"SECURITY": true,
	"SASL":     true, "JAAS": true, "SCRAM": true, "OAUTH": true, "OAUTHBEARER": true, "KERBEROS": true, "KRB5": true,
	"GSSAPI":   true,
	"PASSWORD": true, "PASSWORDS": true, "SECRET": true, "CREDENTIAL": true, "CREDENTIALS": true, "DELEGATION": true,
	"AUTH": true, "REAUTH": true, "AUTHENTICATION": true, "AUTHORIZATION": true,
	"AUTHORIZER": true, "ACL": true, "ACLS": true, "PRINCIPAL": true, "USERS": true,
}

// javaSecurity are the options of a JVM that ask for the same.
var javaSecurity = []string{"java.security.auth.login.config", "javax.net.ssl."}

// fromOrchestrator is what Kubernetes and Docker make of the name of a service,
// which may well be kafka-ssl: nobody asks for anything by it.
var fromOrchestrator = regexp.MustCompile(
	`_SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?$|_PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$`)

// asksForSecurity judges a variable that is not understood.
func asksForSecurity(name, value string) bool {
	switch {
	case fromOrchestrator.MatchString(name), declinesSecurity(name, value):
		return false
	case slices.ContainsFunc(strings.Split(name, "_"), func(word string) bool { return securityWords[word] }):
		return true
	}
	return strings.HasSuffix(name, "OPTS") &&
		slices.ContainsFunc(javaSecurity, func(option string) bool { return strings.Contains(value, option) })
}

// declinesSecurity reports whether a value says that the thing is not wanted. To
// allow nobody what no ACL grants is not such a value, though it is a "false".
func declinesSecurity(name, value string) bool {
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "", "none", "off", "plaintext":
		return true
	case "false", "no":
		return strings.HasSuffix(name, "_ENABLE") || strings.HasSuffix(name, "_ENABLED") ||
			strings.HasSuffix(name, "_SET_ACL")
	}
	return false
}

// checkSecurity refuses variables that ask for what is not done. Their values may
// be secrets, and are not shown.
func (l *layers) checkSecurity(*serveConfig) error {
	var names []string
	for _, name := range l.unknown() {
		if asksForSecurity(name, l.env.value[name]) {
			names = append(names, l.env.named(name))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("environment variables that ask for TLS, authentication or access control, and are not carried "+
		"out here: %s; say it by settings of lockstep, or unset them if it is not meant", strings.Join(names, ", "))
}
