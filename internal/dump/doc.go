// Package dump is the command dump: it decodes what a broker that does not run has on
// disk, segments and lock tables, and compares a lock table with a replay of its log.
package dump
