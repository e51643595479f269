package records

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
)

// closedBy gives the last record of an input the delimiter that it may lack, as
// what a person or printf wrote does, so that it is read like the others. An
// input that holds nothing stays so.
func closedBy(delimiter []byte, r io.Reader) io.Reader {
	if len(delimiter) == 0 {
		return r
	}
	return &closedReader{r: r, delimiter: delimiter}
}

type closedReader struct {
	r         io.Reader
	delimiter []byte
	tail      []byte // the last bytes that were read, as many as the delimiter has
	lacking   []byte // of the delimiter, at the end of r
	ended     bool
}

func (c *closedReader) Read(p []byte) (int, error) {
	if c.ended {
		return c.readLacking(p)
	}
	n, err := c.r.Read(p)
	c.tail = append(c.tail, p[:n]...)
	c.tail = append(c.tail[:0], c.tail[max(0, len(c.tail)-len(c.delimiter)):]...)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	c.ended = true
	if len(c.tail) > 0 {
		c.lacking = c.delimiter[overlapOf(c.tail, c.delimiter):]
	}
	if n > 0 {
		return n, nil
	}
	return c.readLacking(p)
}

func (c *closedReader) readLacking(p []byte) (int, error) {
	if len(c.lacking) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.lacking)
	c.lacking = c.lacking[n:]
	return n, nil
}

// overlapOf is how much of the delimiter's beginning stands at the end of tail.
func overlapOf(tail, delimiter []byte) int {
	for n := min(len(tail), len(delimiter)); n > 0; n-- {
		if bytes.HasSuffix(tail, delimiter[:n]) {
			return n
		}
	}
	return 0
}

// delimiterOf is what an input layout has behind its last field: the line end of
// %k\t%v\n.
func delimiterOf(layout string) []byte {
	at := strings.LastIndexByte(layout, '%')
	if at < 0 || at+2 > len(layout) || strings.IndexByte("%{}", layout[at+1]) >= 0 {
		return nil
	}
	end := at + 2 // behind the field and, if it has one, its form in braces
	if brace := strings.LastIndexByte(layout, '}'); brace > at {
		end = brace + 1
	}
	return unescape(layout[end:])
}

// unescape reads the escapes of a layout: \n \t \r \\ and \xFF.
func unescape(text string) []byte {
	var out []byte
	for len(text) > 0 {
		c, _, rest, err := strconv.UnquoteChar(text, 0)
		if err != nil {
			return nil // the layout's own parser says what is wrong
		}
		if text[0] == '\\' && c < 256 {
			out = append(out, byte(c))
		} else {
			out = append(out, text[:len(text)-len(rest)]...)
		}
		text = rest
	}
	return out
}
