package coordinator

import (
	"strconv"
	"strings"
)

// maxTopicName is Kafka's limit: a file system's 255 less the room for a partition's number.
const maxTopicName = 249

// CheckTopicName refuses a name that Kafka would refuse, with ErrInvalidTopicName.
func CheckTopicName(name string) error {
	switch {
	case name == "":
		return Refuse(ErrInvalidTopicName, "Topic name is invalid: the empty string is not allowed")
	case name == "." || name == "..":
		return Refuse(ErrInvalidTopicName, "Topic name is invalid: '.' or '..' is not allowed")
	case len(name) > maxTopicName:
		return Refuse(ErrInvalidTopicName, "Topic name is invalid: the length of %d is longer than the max allowed length %d", len(name), maxTopicName)
	}
	for i := range len(name) {
		if !nameByte(name[i]) {
			shown := strings.Trim(strconv.QuoteToASCII(name), `"`)
			return Refuse(ErrInvalidTopicName,
				"Topic name is invalid: '%s' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'", shown)
		}
	}
	return nil
}

func nameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
}

// foldName maps names that collide in Kafka, where metrics write '.' as '_', to one.
func foldName(name string) string { return strings.ReplaceAll(name, ".", "_") }

// isInternal reports whether a topic is one of Kafka's own.
func isInternal(name string) bool {
	return name == "__consumer_offsets" || name == "__transaction_state"
}

// sameFolded is foldName(a) == foldName(b) without making either.
func sameFolded(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && !(a[i] == '.' && b[i] == '_' || a[i] == '_' && b[i] == '.') {
			return false
		}
	}
	return true
}
