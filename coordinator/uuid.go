package coordinator

import (
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
