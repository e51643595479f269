// Package fetching is what a Fetch is answered with: the records and positions of
// partitions, and their layout on the wire. A consumer's answer and that of a
// broker that follows this one are made of the same parts.
//
// It is not the rules of who may read what: whoever fills in a Part has checked the
// leader epoch, the offset and the rest.
//
//	RecordSource  where the records of a partition are read from, and up to where
//	Records       whole batches of it that lie one behind the other somewhere
//	Part          what an answer says of one partition
//	Session       the partitions that one consumer reads, and where it is in each: what a
//	              Fetch is served by, be it in a session of KIP-227 or not
//	Cache         the sessions that are kept between requests
//	Answer        the whole, which is encoded here: a large one streams its records
//	              from where they lie to the connection
//
// An Answer has one owner at a time: whoever fills it in, then the connection's writer,
// which calls Release. It holds on to what its records lie in until then.
package fetching
