// Package security is who a client is: principals, how a connection proves one, and
// the certificates, users and tokens by which it does.
//
// It is not what a principal may do: that is authorization, which builds on an
// Identity. It knows no Kafka message and no connection: package broker carries the
// bytes of SASL, and package transport those of TLS.
//
//	Principal  who, in Kafka's words: User:alice
//	Identity   what a connection has proven, and where its client is
//
// Secrets that are read here are in no error and no log line.
package security
