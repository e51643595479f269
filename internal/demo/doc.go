// Package demo is the command demo: processes that share nothing but a log move money
// between accounts, and the log is judged at the end.
//
// bank is the process that is typed. It starts a fleet of tellers, which are processes
// of the same program, lets them work, kills some if it is asked to, and reads the
// log again for its verdict. ledger is the state that all of them fold the log into.
package demo
