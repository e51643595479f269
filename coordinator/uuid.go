package coordinator

import (
	"encoding/base64"
	"fmt"
	"io"

	"github.com/lockstep-log/lockstep/protocol"
)

// newID makes a random UUID (RFC 9562, version 4). Like Kafka it makes none
// whose text begins with '-', which a command line would take for a flag.
func newID(rand io.Reader) (protocol.TopicID, error) {
	for {
		var id protocol.TopicID
		if _, err := io.ReadFull(rand, id[:]); err != nil {
			return id, fmt.Errorf("make an id: %w", err)
		}
		id[6] = id[6]&0x0f | 0x40
		id[8] = id[8]&0x3f | 0x80
		if id.String()[0] != '-' {
			return id, nil
		}
	}
}

func parseTopicID(s string) (protocol.TopicID, error) {
	var id protocol.TopicID
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("id %q is not a UUID in base64", s)
	}
	return protocol.TopicID(b), nil
}
