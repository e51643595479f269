// Package acl is the commands on ACLs: who may do what. It speaks Kafka's protocol, so
// that it is of use with Kafka as well, and knows one type of resource more: locks.
//
//   - chosen is what the flags name: resources and principals.
//   - grant is an ACL as it is printed.
package acl
