// Package records is the commands that write and read records: produce, append and
// consume.
package records
