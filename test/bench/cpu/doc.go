// Package cpu reads how much CPU time a process, or the machine, has used. It
// is for measurements, and reads them as Linux gives them.
package cpu
