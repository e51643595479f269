package record

// Headers steps over the headers of one record, in their order, repeats
// included. Like a Walker it is a value, allocates nothing and checks as it
// goes.
type Headers struct {
	rest []byte
}

// Next yields the next header. A null value is nil, an empty one is empty; a
// key is never null.
func (h *Headers) Next() (key, value []byte, ok bool) {
	b := h.rest
	if len(b) == 0 {
		return nil, nil, false
	}
	u, i := short(b, 0)
	if u >= tooLong {
		u, i = uvarint(b, 0, 32)
	}
	n := int(unzigzag(u))
	if i < 0 || n < 0 || n > len(b)-i {
		return nil, nil, false
	}
	key = b[i : i+n : i+n]
	i += n

	u, j := short(b, i)
	if u >= tooLong {
		u, j = uvarint(b, i, 32)
	}
	n = int(unzigzag(u))
	if j < 0 || n < -1 || n > len(b)-j {
		return nil, nil, false
	}
	if n >= 0 {
		value = b[j : j+n : j+n]
		j += n
	}
	h.rest = b[j:]
	return key, value, true
}

// Done reports whether no byte is left, so that all headers were read.
func (h *Headers) Done() bool { return len(h.rest) == 0 }
