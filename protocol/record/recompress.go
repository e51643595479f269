package record

// Recompress is b with its opened records compressed in another way, as a topic
// may ask for. All of the header but the codec is b's own, and so are the
// records, byte for byte: sequences, times and lock headers are not touched. A
// result of over bytesMax is an error of kind TooLarge. It shares nothing with b
// and holds no more memory than it needs.
func (b Batch) Recompress(r *Records, c Compression, bytesMax int) (Batch, error) {
	h, payload := b.header(), r.payload
	h.attributes = h.attributes&^attrCodec | Attributes(c.Codec)
	if c.Codec != CodecNone {
		scratch := getBuffer(0)
		defer scratch.release()
		var err error
		if scratch.b, err = c.appendTo(scratch.b, payload); err != nil {
			return Batch{}, err
		}
		payload = scratch.b
	}
	size := HeaderSize + len(payload)
	if size > bytesMax {
		return Batch{}, refuse(TooLarge,
			"%d bytes with compression %s, which the topic asks for, over the limit of %d", size, c.Codec, bytesMax)
	}
	out := make([]byte, size)
	copy(out[HeaderSize:], payload)
	h.put(out)
	made := Batch{out}
	made.seal()
	return made, nil
}
