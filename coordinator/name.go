package coordinator

import (
	"strconv"
	"strings"

	"github.com/lockstep-log/lockstep/coordinator/refusal"
)

// maxTopicName is Kafka's limit: a file system's 255 less the room for a partition's number.
const maxTopicName = 249

// CheckTopicName refuses a name that Kafka would refuse, with refusal.ErrInvalidTopicName.
func CheckTopicName(name string) error {
	switch {
	case name == "":
		return refusal.New(refusal.ErrInvalidTopicName, "Topic name is invalid: the empty string is not allowed")
	case name == "." || name == "..":
		return refusal.New(refusal.ErrInvalidTopicName, "Topic name is invalid: '.' or '..' is not allowed")
	case len(name) > maxTopicName:
		return refusal.New(refusal.ErrInvalidTopicName,
			"Topic name is invalid: the length of %d is longer than the max allowed length %d", len(name), maxTopicName)
	}
	for i := range len(name) {
		if !nameByte(name[i]) {
			shown := strings.Trim(strconv.QuoteToASCII(name), `"`)
			return refusal.New(refusal.ErrInvalidTopicName,
				"Topic name is invalid: '%s' contains one or more characters other than ASCII alphanumerics, "+
					"'.', '_' and '-'", shown)
		}
	}
	return nil
}

func nameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
}
