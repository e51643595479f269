package command

import "fmt"

// Given is a setting's value and the place it came from, in words.
type Given struct {
	Value string
	From  string
}

// DescribeSetting is how every error names a setting, its value and its origin.
func DescribeSetting(name string, g Given) string {
	return fmt.Sprintf("setting %s = %q (%s)", name, g.Value, g.From)
}
