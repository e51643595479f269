package command

import (
	"slices"
	"testing"
)

func TestAnAddressOfEveryInterfaceIsThisMachinesToWhoAsks(t *testing.T) {
	for list, want := range map[string][]string{
		"0.0.0.0:9644": {"127.0.0.1:9644"}, ":9644": {"127.0.0.1:9644"}, "[::]:9644": {"[::1]:9644"},
		"b1:9644, b2:9645": {"b1:9644", "b2:9645"},
	} {
		h := HTTP{list: list, typed: func() bool { return false }}
		if got, err := h.Addrs(nil); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", list, got, err, want)
		}
	}
}
