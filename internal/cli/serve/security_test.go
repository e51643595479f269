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
		{environ: []string{"KAFKA_LISTENERS=SSL://127.0.0.1:0"},
			want: `setting listen = "SSL://127.0.0.1:0" (environment variable KAFKA_LISTENERS): listener ssl asks for SSL by its name; only PLAINTEXT is spoken yet`},
		{environ: []string{"KAFKA_LISTENERS=SASL_SSL://127.0.0.1:0"}, want: "asks for SASL_SSL"},
		{environ: []string{"KAFKA_LISTENERS=SASL_PLAINTEXT://127.0.0.1:0"}, want: "asks for SASL_PLAINTEXT"},
		{environ: []string{"KAFKA_LISTENERS=PLAINTEXT://127.0.0.1:0,ssl://127.0.0.1:0"}, want: "asks for SSL"},
		{environ: []string{"LOCKSTEP_LISTEN=tls://127.0.0.1:0"}, want: "LOCKSTEP_LISTEN"},
		{flags: []string{"listen=sasl_tls://127.0.0.1:0"}, want: "flag --listen"},
		{file: "listen: {SSL: 127.0.0.1:0}\n", want: "line 1): listener ssl asks for SSL"},
		{environ: []string{"KAFKA_LISTENERS=PLAINTEXT://127.0.0.1:0"}},
		{flags: []string{"listen=internal://127.0.0.1:0,external://127.0.0.1:0"}},

		// Kafka's map.
		{environ: []string{"KAFKA_LISTENERS=SSL://127.0.0.1:0", "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=SSL:PLAINTEXT"}},
		{environ: []string{"KAFKA_LISTENERS=IN://127.0.0.1:0", "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=IN:SASL_SSL"},
			want: `setting listener security = "IN:SASL_SSL"`},
		{environ: []string{"KAFKA_LISTENERS=IN://127.0.0.1:0", "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=IN:TLSv1.3"},
			want: "asks for TLSV1.3"},
		{environ: []string{"KAFKA_LISTENERS=IN://127.0.0.1:0", "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=IM:SSL"},
			want: "listener in has no security protocol there"},
		{environ: []string{"KAFKA_LISTENERS=IN://127.0.0.1:0", "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=IN"},
			want: `want LISTENER:PROTOCOL, got "in"`},
		{environ: []string{"KAFKA_LISTENERS=IN://127.0.0.1:0,CTL://127.0.0.1:0", "KAFKA_CONTROLLER_LISTENER_NAMES=CTL",
			"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=IN:PLAINTEXT,CTL:SSL"}},

		// Variables of Kafka and of its images.
		{environ: []string{"KAFKA_SSL_KEYSTORE_LOCATION=/etc/broker.jks"}, want: "KAFKA_SSL_KEYSTORE_LOCATION"},
		{environ: []string{"KAFKA_SSL_CLIENT_AUTH=required"}, want: "KAFKA_SSL_CLIENT_AUTH"},
		{environ: []string{"KAFKA_SSL_CLIENT_AUTH=none"}},
		{environ: []string{"KAFKA_SASL_ENABLED_MECHANISMS=PLAIN"}, want: "KAFKA_SASL_ENABLED_MECHANISMS"},
		{environ: []string{"KAFKA_AUTHORIZER_CLASS_NAME=org.apache.kafka.metadata.authorizer.StandardAuthorizer"},
			want: "KAFKA_AUTHORIZER_CLASS_NAME"},
		{environ: []string{"KAFKA_SUPER_USERS=User:admin"}, want: "KAFKA_SUPER_USERS"},
		{environ: []string{"KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND=false"}, want: "KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND"},
		{environ: []string{"KAFKA_PRINCIPAL_BUILDER_CLASS=a.B"}, want: "KAFKA_PRINCIPAL_BUILDER_CLASS"},
		{environ: []string{"KAFKA_SECURITY_INTER_BROKER_PROTOCOL=SSL"}, want: "KAFKA_SECURITY_INTER_BROKER_PROTOCOL"},
		{environ: []string{"KAFKA_SECURITY_INTER_BROKER_PROTOCOL=PLAINTEXT"}},
		{environ: []string{"KAFKA_LISTENER_NAME_IN_SCRAM___SHA___512_SASL_JAAS_CONFIG=x"},
			want: "KAFKA_LISTENER_NAME_IN_SCRAM"},
		{environ: []string{"KAFKA_CFG_SASL_MECHANISM_INTER_BROKER_PROTOCOL=PLAIN"}, want: "KAFKA_CFG_SASL"},
		{environ: []string{"KAFKA_CLIENT_PASSWORDS=hunter2"}, want: "KAFKA_CLIENT_PASSWORDS"},
		{environ: []string{"KAFKA_OPTS=-Djava.security.auth.login.config=/etc/kafka/jaas.conf"}, want: "KAFKA_OPTS"},
		{environ: []string{"KAFKA_OPTS=-Xmx1g"}},
		{environ: []string{"KAFKA_ZOOKEEPER_SET_ACL=false"}},
		{environ: []string{"LOCKSTEP_TLS_CERT=/etc/cert.pem"}, want: "LOCKSTEP_TLS_CERT"},
		{environ: []string{"LOCKSTEP_AUTHORIZER=on"}, want: "LOCKSTEP_AUTHORIZER"},
		{environ: []string{"LOCKSTEP_AUTHORIZER=off"}},
		{environ: []string{"KAFKA_TRUSTSTORE=a", "KAFKA_KEYSTORE=b"}, want: "control: KAFKA_KEYSTORE, KAFKA_TRUSTSTORE;"},

		// What an orchestrator makes of a service that is called kafka-ssl.
		{environ: []string{"KAFKA_SSL_SERVICE_HOST=10.0.0.1", "KAFKA_SSL_SERVICE_PORT_CLIENTS=9093",
			"KAFKA_SSL_PORT=tcp://10.0.0.1:9093", "KAFKA_SSL_PORT_9093_TCP_ADDR=10.0.0.1"}},

		// Keys of the file, and etcd.
		{file: "ssl-keystore: /etc/broker.jks\n", want: "setting ssl-keystore"},
		{flags: []string{"etcd=https://a:1,b:1"}, want: "https:// before all of them or before none"},
		{flags: []string{"etcd-peers=1=https://a:1"}, want: "want http://HOST:PORT"},
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
