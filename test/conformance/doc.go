// Package conformance runs the scenarios that the client libraries of all languages must come through alike, for package
// client: scenarios.json is read by clients/python and clients/java as well (make conformance).
//
// A scenario has a broker of its own, which it may kill, a topic and a view. Its steps:
//
//	headers, parse      a lock's headers, a refusal's text
//	append              one append and its outcome; a record is its value, or key and value
//	together            appends that are handed over at once
//	move                View.update: an amount from one account to another; meanwhile is appended behind its back at its
//	                    first try. Accounts begin with 100
//	state, view         View.read; a view that begins anew
//	transfers           threads that move money between a0, a1 and a2, while the broker is killed
//	client              a process of the same language that does so, and is killed
//	log, side by side, total, audit    what the log holds then
//
// What is wanted of an outcome is what stands there. Offsets behind a refusal are not: package client leaves a gap where an
// append of a shared batch was refused, and the others leave none.
package conformance
