package replica

// ConfirmLeadership begins a round and returns its number. CoreConfirm tells when it is
// certain that this broker still led the partition after the call: then nothing
// that any leader had said before the call can have been newer than what this
// one knew.
//
// A refusal that rests on what is not in the log needs it: a basis that seems to
// lie beyond the high watermark, a sequence that seems to leave a gap. A leader
// that was deposed and does not know it would refuse them falsely, for their
// writer has read, or written, what the next leader committed. A refusal that
// cites a committed record does not need it, and neither does an acknowledgement.
//
// It is certain once every replica that the metadata may show in sync has sent a
// fetch of this epoch after it had seen an answer made after the call: an
// election could only have chosen one of them. A driver answers the fetches that
// wait when it begins a round. A round that is never confirmed ends with the
// leadership.
func (c *Core) ConfirmLeadership() int64 {
	if c.role != RoleLeader {
		return 0
	}
	c.leading.round++
	c.advanceConfirmed()
	return c.leading.round
}

func (c *Core) advanceConfirmed() {
	least := c.leading.round
	for i := range c.leading.followers {
		f := &c.leading.followers[i]
		if c.partition.InSync(f.ID) || c.leading.isr.mayHave(f.ID) {
			least = min(least, f.round)
		}
	}
	if least > c.leading.confirmed {
		c.leading.confirmed = least
		c.emit(CoreEffect{Kind: CoreConfirm, Round: least})
	}
}
