package image

// IsInternal reports whether a topic is one of Kafka's own.
func IsInternal(name string) bool {
	return name == "__consumer_offsets" || name == "__transaction_state"
}

// sameFolded is store.FoldName(a) == store.FoldName(b) without making either.
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
