package conflict

import "github.com/lockstep-log/lockstep/protocol"

// Verdict is what becomes of a request. The zero Verdict admits all of it.
type Verdict struct {
	// Refusal is the first offender's; nil when the batch may be appended.
	Refusal *protocol.Refusal
	// Err says that the Base could not be read. The batch must be neither
	// appended nor refused: the writer is to try again.
	Err error
	// Duplicate: every append was appended before. Nothing is to be appended;
	// the answer is success with FirstOffset.
	Duplicate   bool
	FirstOffset protocol.Offset
	// Await is the offset that must be below the high watermark before a
	// refusal or a Duplicate is answered; None when there is nothing to wait
	// for. It is the record that the answer rests on.
	Await protocol.Offset
	// Drop, by the index of the record, are the records to leave out because
	// they were appended before or, by JudgeEach, are refused; nil when all are
	// to be kept. It belongs to the Request.
	Drop []bool
	// Skipped, of JudgeEach and JudgeAgain, are the appends that Drop leaves out,
	// in their order, each with its reason.
	Skipped []Skipped
}

// Admitted reports whether the batch, less what is to be dropped, is to be
// appended.
func (v *Verdict) Admitted() bool { return v.Refusal == nil && v.Err == nil && !v.Duplicate }

// Keeps reports whether a record is to be written.
func (v *Verdict) Keeps(index int32) bool { return v.Drop == nil || !v.Drop[index] }

// OnlyRepeats reports whether JudgeEach found every append of the request in
// the log.
func (v *Verdict) OnlyRepeats(r *Request) bool {
	for i := range v.Skipped {
		if l := &v.Skipped[i]; l.Refusal != nil || l.InBatch {
			return false
		}
	}
	return r.plain == 0 && len(v.Skipped) == len(r.appends)
}
