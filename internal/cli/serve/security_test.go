package serve

import (
	"strings"
	"testing"
)

// What asks for security and is not understood ends the start, whatever way it is
// said. What declines it, and what only looks like it, does not.
func TestWhatAsksForSecurityIsRefusedAtStart(t *testing.T) {
	for _, c := range []struct {
		flags, environ []string
		file           string
		want           string // what the error names; "" = the broker starts
	}{
		// A listener that is named by a protocol.
		{environ: []string{"KAFKA_LISTENERS=SSL://127.0.0.1:0"}, want: "listener ssl speaks tls and has no certificate: set tls-cert"},
		{environ: []string{"KAFKA_LISTENERS=SASL_SSL://127.0.0.1:0"}, want: "listener sasl_ssl speaks sasl_tls and has no certificate"},
		{environ: []string{"KAFKA_LISTENERS=PLAINTEXT://127.0.0.1:0,ssl://127.0.0.1:0"}, want: "listener ssl speaks tls"},
		{environ: []string{"LOCKSTEP_LISTEN=tls://127.0.0.1:0", "LOCKSTEP_TLS_CERT=c"}, want: "its certificate has no key"},
		{file: "listen: {SSL: 127.0.0.1:0}\n", want: "listener ssl speaks tls"},
		{environ: []string{"KAFKA_LISTENERS=PLAINTEXT://127.0.0.1:0"}},
		{flags: []string{"listen=internal://127.0.0.1:0,external://127.0.0.1:0"}},
		{environ: []string{"KAFKA_LISTENERS=SASL_PLAINTEXT://127.0.0.1:0"}},
		{flags: []string{"listen=sasl_tls://127.0.0.1:0", "tls-cert=c", "tls-key=k"}},
		{flags: []string{"listen=a://127.0.0.1:0,b://127.0.0.1:0", "listener-security=a=plaintext,b=sasl_tls", "tls-cert=b=c", "tls-key=k"}},

		// What is set and of no use to any listener.
		{flags: []string{"tls-cert=c", "tls-key=k"}, want: `setting tls-cert = "c" (flag --tls-cert): no listener speaks TLS`},
		{flags: []string{"tls-client-auth=required"}, want: "tls-client-auth"},
		{flags: []string{"tls-client-auth=none"}},
		{flags: []string{"listen=tls://127.0.0.1:0", "tls-cert=c", "tls-key=k", "tls-client-auth=required"}, want: "set tls-client-ca"},
		{flags: []string{"listen=tls://127.0.0.1:0", "tls-cert=tlss=c"}, want: `names "tlss", which is no listener`},
		{flags: []string{"listener-security=outside=tls"}, want: `names "outside", which is no listener`},
		{flags: []string{"listener-security=default=ssh"}, want: "want a security protocol"},
		{flags: []string{"listen=a://127.0.0.1:0,b://127.0.0.1:0", "listener-security=a=plaintext"}, want: "listener b has no security protocol"},
		{flags: []string{"listen=tls://127.0.0.1:0,plaintext://127.0.0.1:0", "tls-cert=plaintext=c"}, want: "has no use for it"},
		{flags: []string{"sasl-mechanisms=PLAIN"}, want: "no listener has SASL"},
		{flags: []string{"sasl-mechanisms=GSSAPI"}, want: "want some of"},
		{flags: []string{"listener-security=sasl_plaintext", "sasl-mechanisms=PLAIN"}, want: "set sasl-users-file"},
		{flags: []string{"listener-security=sasl_plaintext", "sasl-mechanisms=PLAIN,SCRAM-SHA-256", "sasl-users-file=f"}},
		{flags: []string{"listener-security=sasl_plaintext", "sasl-users-file=f"}, want: "no listener takes PLAIN"},
		{flags: []string{"listener-security=sasl_plaintext", "sasl-mechanisms=OAUTHBEARER"}, want: "set oauth-jwks-url"},
		{flags: []string{"oauth-unsigned-tokens=true"}, want: "no listener takes OAUTHBEARER"},
		{flags: []string{"listener-security=sasl_plaintext", "max-reauth=1000"}},
		{flags: []string{"max-reauth=1000"}, want: "no listener has SASL"},
		{flags: []string{"inter-broker-user=b"}, want: "which has no SASL"},
		{flags: []string{"listener-security=sasl_plaintext", "etcd=127.0.0.1:1"}, want: "set inter-broker-user"},
		{flags: []string{"tls-principal-mapping=RULE:(?=x)/y/"}, want: "tls-principal-mapping"},

		// Kafka's map.
		{environ: []string{"KAFKA_LISTENERS=SSL://127.0.0.1:0", "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=SSL:PLAINTEXT"}},
		{environ: []string{"KAFKA_LISTENERS=IN://127.0.0.1:0", "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=IN:SASL_SSL"},
			want: "listener in speaks sasl_tls and has no certificate"},
		{environ: []string{"KAFKA_LISTENERS=IN://127.0.0.1:0", "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=IN:TLSv1.3"},
			want: `setting listener-security = "IN:TLSv1.3"`},
		{environ: []string{"KAFKA_LISTENERS=IN://127.0.0.1:0", "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=IM:SSL"},
			want: "listener in has no security protocol there"},
		{environ: []string{"KAFKA_LISTENERS=IN://127.0.0.1:0", "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=IN"},
			want: `want a security protocol`},
		{environ: []string{"KAFKA_LISTENERS=IN://127.0.0.1:0,CTL://127.0.0.1:0", "KAFKA_CONTROLLER_LISTENER_NAMES=CTL",
			"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=IN:PLAINTEXT,CTL:SSL"}},
		{environ: []string{"KAFKA_LISTENERS=IN://127.0.0.1:0", "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=IN:SSL",
			"KAFKA_SSL_KEYSTORE_TYPE=PEM", "KAFKA_SSL_KEYSTORE_LOCATION=k", "KAFKA_SSL_TRUSTSTORE_TYPE=PEM",
			"KAFKA_SSL_TRUSTSTORE_LOCATION=t", "KAFKA_SSL_CLIENT_AUTH=required", "KAFKA_SSL_PRINCIPAL_MAPPING_RULES=DEFAULT",
			"KAFKA_SECURITY_INTER_BROKER_PROTOCOL=SSL"}},
		{environ: []string{"KAFKA_LISTENERS=SASL_PLAINTEXT://127.0.0.1:0", "KAFKA_SASL_ENABLED_MECHANISMS=SCRAM-SHA-256"}},
		{environ: []string{"KAFKA_LISTENERS=SASL_PLAINTEXT://127.0.0.1:0", "KAFKA_SASL_ENABLED_MECHANISMS=GSSAPI"}, want: "want some of"},

		// Variables of Kafka and of its images.
		{environ: []string{"KAFKA_SSL_KEYSTORE_LOCATION=/etc/broker.jks"}, want: "KAFKA_SSL_KEYSTORE_LOCATION"},
		{environ: []string{"KAFKA_SSL_KEYSTORE_LOCATION=/etc/broker.jks", "KAFKA_SSL_KEYSTORE_TYPE=JKS"}, want: "only PEM is read"},
		{environ: []string{"KAFKA_SSL_KEY_PASSWORD=hunter2"}, want: "KAFKA_SSL_KEY_PASSWORD"},
		{environ: []string{"KAFKA_SSL_CLIENT_AUTH=required"}, want: "no listener speaks TLS"},
		{environ: []string{"KAFKA_SSL_CLIENT_AUTH=none"}},
		{environ: []string{"KAFKA_SASL_ENABLED_MECHANISMS=PLAIN"}, want: "no listener has SASL"},
		{environ: []string{"KAFKA_AUTHORIZER_CLASS_NAME=com.example.Authorizer"}, want: "KAFKA_AUTHORIZER_CLASS_NAME"},
		{environ: []string{"LOCKSTEP_AUTHORIZER=maybe"}, want: "LOCKSTEP_AUTHORIZER"},
		{environ: []string{"LOCKSTEP_AUDIT_LOG=audit.log"}, want: "LOCKSTEP_AUDIT_LOG"},
		{environ: []string{"LOCKSTEP_AUTHORIZER=on", "LOCKSTEP_LISTEN=10.1.2.3:9092"}, want: "authorizer-on-plaintext"},
		{environ: []string{"LOCKSTEP_AUTHORIZER=on", "LOCKSTEP_SUPER_USERS=admin"}, want: "LOCKSTEP_SUPER_USERS"},
		{environ: []string{"LOCKSTEP_AUTHORIZER=on", "LOCKSTEP_SUPER_USERS=User:a,User:b"}, want: "semicolon"},
		{environ: []string{"KAFKA_SUPER_USERS=User:admin"}, want: "KAFKA_SUPER_USERS"},
		{environ: []string{"KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND=true"}, want: "KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND"},
		{environ: []string{"KAFKA_PRINCIPAL_BUILDER_CLASS=a.B"}, want: "KAFKA_PRINCIPAL_BUILDER_CLASS"},
		{environ: []string{"KAFKA_SECURITY_INTER_BROKER_PROTOCOL=SSL"}, want: "KAFKA_SECURITY_INTER_BROKER_PROTOCOL"},
		{environ: []string{"KAFKA_SECURITY_INTER_BROKER_PROTOCOL=PLAINTEXT"}},
		{environ: []string{"KAFKA_LISTENER_NAME_IN_SCRAM___SHA___512_SASL_JAAS_CONFIG=x"},
			want: "KAFKA_LISTENER_NAME_IN_SCRAM"},
		{environ: []string{"KAFKA_CFG_SASL_KERBEROS_SERVICE_NAME=kafka"}, want: "KAFKA_CFG_SASL"},
		{environ: []string{"KAFKA_CLIENT_PASSWORDS=hunter2"}, want: "KAFKA_CLIENT_PASSWORDS"},
		{environ: []string{"KAFKA_OPTS=-Djava.security.auth.login.config=/etc/kafka/jaas.conf"}, want: "KAFKA_OPTS"},
		{environ: []string{"KAFKA_OPTS=-Xmx1g"}},
		{environ: []string{"KAFKA_ZOOKEEPER_SET_ACL=false"}},
		{environ: []string{"LOCKSTEP_TLS_CERT=/etc/cert.pem"}, want: "LOCKSTEP_TLS_CERT): no listener speaks TLS"},
		{environ: []string{"LOCKSTEP_AUTHORIZER=off"}},
		{environ: []string{"KAFKA_TRUSTSTORE=a", "KAFKA_KEYSTORE=b"}, want: "here: KAFKA_KEYSTORE, KAFKA_TRUSTSTORE;"},

		// What an orchestrator makes of a service that is called kafka-ssl.
		{environ: []string{"KAFKA_SSL_SERVICE_HOST=10.0.0.1", "KAFKA_SSL_SERVICE_PORT_CLIENTS=9093",
			"KAFKA_SSL_PORT=tcp://10.0.0.1:9093", "KAFKA_SSL_PORT_9093_TCP_ADDR=10.0.0.1"}},

		// Keys of the file, and etcd.
		{file: "ssl-keystore: /etc/broker.jks\n", want: "setting ssl-keystore"},
		{flags: []string{"etcd=https://a:1,b:1"}, want: "https:// before all of them or before none"},
		{flags: []string{"etcd-peers=1=https://a:1"}, want: "set etcd-cert, etcd-key and etcd-ca"},
		{flags: []string{"etcd-peers=1=https://a:1,2=http://b:1", "etcd-cert=c", "etcd-key=k", "etcd-ca=ca"}, want: "before all of them or before none"},
		{flags: []string{"etcd-peers=1=http://a:1", "etcd-cert=c", "etcd-key=k", "etcd-ca=ca"}, want: "are of no use"},
		{flags: []string{"etcd=https://a:1", "etcd-cert=c"}, want: "go together"},
		{flags: []string{"etcd-peers=1=https://a:1", "etcd-cert=c", "etcd-key=k", "etcd-ca=ca"}},
		{flags: []string{"etcd-ca=ca"}, want: "set all of etcd-cert"},
		{flags: []string{"etcd=https://a:1"}},
		{flags: []string{"etcd=https://a:1", "etcd-ca=ca"}},
		{flags: []string{"join=a:1", "etcd-cert=c", "etcd-key=k", "etcd-ca=ca"}},
		{flags: []string{"etcd-peers=1=ftp://a:1"}, want: "want http://HOST:PORT"},
	} {
		_, err := load(t, c.flags, c.environ, c.file)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%q %q %q: %v", c.flags, c.environ, c.file, err)
		case c.want != "" && err == nil:
			t.Errorf("%q %q %q: it starts, and should name %q", c.flags, c.environ, c.file, c.want)
		case err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}
