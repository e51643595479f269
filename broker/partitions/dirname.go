package partitions

import (
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lockstep-log/lockstep/protocol"
)

// PartitionOfDir reads the name of a partition's directory, TOPIC-INDEX.TOPICID.
// The name is for people.
func PartitionOfDir(dir string) (name string, id protocol.TopicPartition, err error) {
	base := filepath.Base(dir)
	dot := strings.LastIndexByte(base, '.')
	if dot < 0 {
		return "", id, fmt.Errorf("%s is no partition's directory: its name is not TOPIC-INDEX.TOPICID", dir)
	}
	name = base[:dot]
	raw, err := base64.RawURLEncoding.DecodeString(base[dot+1:])
	dash := strings.LastIndexByte(name, '-')
	if err != nil || len(raw) != len(id.Topic) || dash < 0 {
		return "", id, fmt.Errorf("%s is no partition's directory: its name is not TOPIC-INDEX.TOPICID", dir)
	}
	index, err := strconv.ParseInt(name[dash+1:], 10, 32)
	if err != nil {
		return "", id, fmt.Errorf("%s is no partition's directory: %w", dir, err)
	}
	copy(id.Topic[:], raw)
	id.Index = int32(index)
	return name, id, nil
}
