package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// What ParseHeader refuses.
var (
	// ErrHeader is a header whose bytes do not add up.
	ErrHeader = errors.New("malformed request header")
	// ErrUnknownKey is an API key that the versions table does not have.
	ErrUnknownKey = errors.New("unknown API key")
	// ErrUnsupportedVersion is a version that the table does not serve.
	ErrUnsupportedVersion = errors.New("unsupported API version")
)

// Header is a request's header, of version 1 or 2 (KIP-482). Both begin alike:
//
//	+--------+---------+----------------+-----------------------+--------------+
//	| key    | version | correlation id | client id             | tags         |
//	| int16  | int16   | int32          | int16 n, -1 null; n B | v2 alone     |
//	+--------+---------+----------------+-----------------------+--------------+
//
// The client id is not compact in version 2 either, so that a broker can read
// the header of a request that it does not know.
type Header struct {
	Key           int16
	Version       int16
	CorrelationID int32
	ClientID      string // UTF-8; "" for null as well
	Flexible      bool   // the request has compact fields and tags
}

// FlexibleResponse reports whether the response's header has tags. That of
// ApiVersions never has: a client reads it before it knows what the broker
// speaks.
func (h Header) FlexibleResponse() bool { return h.Flexible && h.Key != KeyApiVersions }

// ParseHeader reads a request's header and returns the body, which aliases
// frame. Whenever the first eight bytes are there, Key, Version and
// CorrelationID are good, whatever the error. With ErrUnsupportedVersion of a
// known key, body is what follows the header if that could be read, else nil.
func ParseHeader(frame []byte) (h Header, body []byte, err error) {
	body, err = h.Parse(frame)
	return h, body, err
}

// Parse is ParseHeader into h. A client id that equals the one in h is kept,
// so that a connection allocates it once.
func (h *Header) Parse(frame []byte) (body []byte, err error) {
	clientID := h.ClientID
	*h = Header{}
	if len(frame) < 8 {
		return nil, fmt.Errorf("%w: %d bytes", ErrHeader, len(frame))
	}
	h.Key = int16(binary.BigEndian.Uint16(frame))
	h.Version = int16(binary.BigEndian.Uint16(frame[2:]))
	h.CorrelationID = int32(binary.BigEndian.Uint32(frame[4:]))
	api, known := Lookup(h.Key)
	if !known {
		return nil, fmt.Errorf("%w %d", ErrUnknownKey, h.Key)
	}
	h.Flexible = api.Flexible(h.Version)
	body, err = h.parseRest(frame[8:], clientID)
	if !api.Serves(h.Version) {
		return body, fmt.Errorf("%w: %s v%d", ErrUnsupportedVersion, api.Name, h.Version)
	}
	return body, err
}

// parseRest reads the client id and, in a flexible header, the tags.
func (h *Header) parseRest(rest []byte, clientID string) ([]byte, error) {
	if len(rest) < 2 {
		return nil, fmt.Errorf("%w: no client id", ErrHeader)
	}
	n := int(int16(binary.BigEndian.Uint16(rest)))
	rest = rest[2:]
	if n < -1 || n > len(rest) {
		return nil, fmt.Errorf("%w: client id of %d bytes, %d left", ErrHeader, n, len(rest))
	}
	if n > 0 {
		if string(rest[:n]) != clientID {
			clientID = ValidText(string(rest[:n]))
		}
		h.ClientID, rest = clientID, rest[n:]
	}
	if !h.Flexible {
		return rest, nil
	}
	rest, ok := skipTags(rest)
	if !ok {
		return nil, fmt.Errorf("%w: bad tags", ErrHeader)
	}
	return rest, nil
}

// AppendResponseHeader appends the header of a response, which the frame's
// length precedes and the body follows. flexible is Header.FlexibleResponse.
func AppendResponseHeader(dst []byte, correlationID int32, flexible bool) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(correlationID))
	if flexible {
		dst = append(dst, 0) // no tags
	}
	return dst
}
