// Package protocol holds the words that everything else is said in. It does no
// I/O, keeps no state, starts nothing, and knows nothing of logs, of locks'
// histories or of brokers. All of it may be called from anywhere; values that fill
// up (Header, LockRequest) have one owner.
//
//	Offset, LeaderEpoch, BrokerID …  typed numbers                  types.go
//	Limit                            a bound that may be absent     limit.go
//	ValidText, MendText, Printable   text from the wire, and shown  text.go
//	FrameLength                      length-prefixed frames         frame.go
//	Header, ParseHeader              request and response headers   header.go
//	API, Lookup, APIs                the one table of versions      versions.go
//	Prove                            a body's shape, before kmsg    prove.go, shape.go, shapes.go, tag.go
//	LockRequest, LockItem            the grammar of lock headers    lock.go, lockname.go, malformed.go
//	Refusal, ParseRefusal            the grammar of refusals        refusal.go, refusal_parse.go
//
// What comes from the wire passes three gates, in this order: FrameLength
// checks a length before memory is taken, ParseHeader reads what it takes to
// answer even a request that nobody knows, and Prove walks the body before
// anything decodes it. Behind them, kmsg may be trusted with time and memory, and
// with ProveText and MendText every string is UTF-8.
package protocol
