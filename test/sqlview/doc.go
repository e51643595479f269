// Package sqlview holds the tests of client/sqlview against real brokers and
// real databases: SQLite in the process, and PostgreSQL where it is installed.
// What applies to a database here are processes of their own, which are killed.
package sqlview
