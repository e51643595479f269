package command

import (
	"bytes"
	"slices"
	"testing"

	"github.com/spf13/cobra"
)

// addrsOf are the addresses that a command asks which is typed with flags.
func addrsOf(environ []string, flags ...string) (addrs []string, err error) {
	var h HTTP
	cmd := &cobra.Command{Use: "c", SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error { addrs, err = h.Addrs(cmd); return err }}
	h.Flags(cmd, &Streams{Out: new(bytes.Buffer), Err: new(bytes.Buffer), Environ: environ})
	cmd.SetArgs(flags)
	return addrs, cmd.Execute()
}

func TestAnAddressOfEveryInterfaceIsThisMachinesToWhoAsks(t *testing.T) {
	for list, want := range map[string][]string{
		"0.0.0.0:9644": {"127.0.0.1:9644"}, ":9644": {"127.0.0.1:9644"}, "[::]:9644": {"[::1]:9644"},
		"b1:9644, b2:9645": {"b1:9644", "b2:9645"},
	} {
		if got, err := addrsOf([]string{"LOCKSTEP_HTTP=" + list}); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", list, got, err, want)
		}
	}
}

// TestBrokersSayWhichClusterIsAskedByHTTP where nothing else does.
func TestBrokersSayWhichClusterIsAskedByHTTP(t *testing.T) {
	for _, c := range []struct {
		environ, flags, want []string
	}{
		{nil, nil, []string{"127.0.0.1:9644"}},
		{nil, []string{"-b", "b1:9092,b1:9093,[fe80::1]:9092,b2"}, []string{"b1:9644", "[fe80::1]:9644", "b2:9644"}},
		{[]string{"LOCKSTEP_BROKERS=b3:19092"}, nil, []string{"b3:9644"}},
		{[]string{"LOCKSTEP_BROKERS=b3:19092", "LOCKSTEP_HTTP=b3:80"}, []string{"-b", "b1:9092"}, []string{"b3:80"}},
		{nil, []string{"-b", "b1:9092", "--http", "b2:80"}, []string{"b2:80"}},
	} {
		if got, err := addrsOf(c.environ, c.flags...); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%v %v: %v, %v; want %v", c.environ, c.flags, got, err, c.want)
		}
	}
}
