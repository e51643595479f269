// Package feature is what the tests of the Go clients share with those of the
// other languages: the broker to talk to, the records to write, and a line on
// standard output for each feature, which run.sh collects into a table.
//
// A line is name, ok or skip or FAIL, and a note, separated by tabs. The tests
// run under plain go test as well; they start a broker of their own then.
package feature
