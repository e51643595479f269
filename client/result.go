package client

// Result is where an append is in its partition's log. Its records lie side by
// side.
type Result struct {
	Offset  int64 // of the first record
	Records int
	// Repeated: an append with this id and content was in the log before, and
	// this is where.
	Repeated bool

	epoch   int32 // the leader epoch that the records were written in, if they are no repeat; -1: it is not known
	stamped bool  // the broker gave the records their time (message.timestamp.type=LogAppendTime)
}

// Last is the offset of the append's last record.
func (r Result) Last() int64 { return r.Offset + int64(r.Records) - 1 }

// Offsets are those of all records, in order.
func (r Result) Offsets() []int64 {
	offsets := make([]int64, r.Records)
	for i := range offsets {
		offsets[i] = r.Offset + int64(i)
	}
	return offsets
}
