// Command drops has an idempotent producer of a client's own write through a
// proxy that cuts its connections over and over, and prints the line of the
// feature.
//
//	drops [-feature NAME] [-note TEXT] [-made-again] TOPIC COMMAND...
//
// With -made-again nothing is cut; the topic is deleted and made again instead,
// while the producer writes.
//
// It starts a broker, LOCKSTEP, whose second listener advertises the proxy.
// COMMAND TOPIC is the producer: it writes value-0 to value-1999 to the broker
// of its environment, value-i to partition i modulo 3, and prints each value
// on a line of its own once that is acknowledged.
package main
