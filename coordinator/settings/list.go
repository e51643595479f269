package settings

import (
	"slices"
	"strings"
)

// Items splits a list setting's value.
func Items(value string) []string {
	var items []string
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// AddItems is the list with those of more that it does not hold yet
// (IncrementalAlterConfigs: append).
func AddItems(value, more string) string {
	items := Items(value)
	for _, item := range Items(more) {
		if !slices.Contains(items, item) {
			items = append(items, item)
		}
	}
	return strings.Join(items, ",")
}

// RemoveItems is the list without those of fewer (IncrementalAlterConfigs: subtract).
func RemoveItems(value, fewer string) string {
	gone := Items(fewer)
	items := slices.DeleteFunc(Items(value), func(item string) bool { return slices.Contains(gone, item) })
	return strings.Join(items, ",")
}
