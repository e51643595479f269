// Package record is the record batch, magic 2: the one format that clients
// write, the wire carries and the disk keeps.
//
// A [Batch] is a view over those bytes. There are two doors to it. [Parse] is
// the gateway for bytes that a client sent: it proves one whole batch, alone,
// and refuses whatever a producer has no business to say. [View] is for bytes
// that a broker wrote: it takes the first batch of many, and allows what only
// a broker makes (gaps, control batches, batches that lost all their records).
// Behind either door the header is well-formed for good.
//
// The records inside are opened apart, with [Batch.Open], because most batches
// never need it. Open undoes the compression within a hard bound, proves the
// structure of every record in one walk, and yields [Records]; a [Walker] then
// steps over them without a check that can fail and without an allocation.
// [Batch.Keep] makes a smaller batch of it, [Builder] makes a new one.
//
// The package copies nothing per record, keeps no state but pools of buffers
// and decoders, and knows neither clocks nor logs nor the meaning of a header.
// A Batch aliases the bytes it was made from: whoever owns those owns it, and
// only [Batch.Place] and [Batch.StampLogAppendTime] write to them.
package record
