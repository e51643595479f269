// Package cert is the command cert: a CA, and certificates for the brokers and clients
// of a small cluster.
package cert

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lockstep-log/lockstep/internal/authority"
	"github.com/lockstep-log/lockstep/internal/cli/command"
)

const (
	dirDefault = "lockstep-certs"
	caLasts    = 10 * 365 * 24 * time.Hour
	leafLasts  = 398 * 24 * time.Hour // no browser takes a server's that lasts longer
)

// localHosts are in every broker's certificate, for clients on the same machine.
var localHosts = []string{"localhost", "127.0.0.1", "::1"}

// certCommand makes files in a directory.
type certCommand struct {
	streams        *command.Streams
	nodes, clients []string
	lasts          time.Duration
}

// New is the command cert.
func New(s *command.Streams) *cobra.Command {
	c := &certCommand{streams: s}
	cmd := &cobra.Command{
		Use:   "cert [DIR]",
		Short: "Make a CA and certificates for brokers and clients",
		Long: "Make, in DIR (default: lockstep-certs), a CA and certificates for the brokers and clients of a small cluster or of one for\n" +
			"development. A CA that is there already is used again, so that the command replaces certificates too:\n" +
			"brokers take new ones into use while they run. Keep ca.key where no broker is.",
		Args: command.Arguments(0, 1, "a directory"),
		RunE: func(_ *cobra.Command, args []string) error { return c.run(append(args, dirDefault)[0]) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&c.nodes, "node", []string{"1", "2", "3"}, "`N[=HOST,...]`, a broker and the names and addresses that it is reached at, "+
		"beside those of this machine; may be repeated")
	f.StringArrayVar(&c.clients, "client", []string{"client"}, "`NAME` of a client; may be repeated")
	f.DurationVar(&c.lasts, "lasts", leafLasts, "how long certificates are good for, a `DURATION`")
	return cmd
}

func (c *certCommand) run(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	ca, err := c.authority(dir)
	if err != nil {
		return err
	}
	for _, n := range c.nodes {
		id, hosts, _ := strings.Cut(n, "=")
		name := "broker-" + id
		leaf := authority.Leaf{Name: name, Hosts: append(command.SplitList(hosts), append([]string{name}, localHosts...)...), Lasts: c.lasts}
		if err := c.sign(ca, dir, leaf); err != nil {
			return err
		}
	}
	for _, name := range c.clients {
		if err := c.sign(ca, dir, authority.Leaf{Name: name, Lasts: c.lasts}); err != nil {
			return err
		}
	}
	fmt.Fprintf(c.streams.Err, "\nA broker:  lockstep serve --listen tls://0.0.0.0:9092 --advertise tls://HOST:9092 --tls-cert %[1]s --tls-key %[2]s\n"+
		"           --tls-client-ca %[3]s --tls-client-auth required --etcd-peers 1=https://HOST:2380,... --etcd-cert %[1]s\n"+
		"           --etcd-key %[2]s --etcd-ca %[3]s\nA client:  lockstep topic list --ca %[3]s --cert %[4]s --key %[5]s\n",
		filepath.Join(dir, "broker-N.crt"), filepath.Join(dir, "broker-N.key"), filepath.Join(dir, "ca.crt"),
		filepath.Join(dir, "client.crt"), filepath.Join(dir, "client.key"))
	return nil
}

// authority is that of the directory, or a new one.
func (c *certCommand) authority(dir string) (*authority.Authority, error) {
	certFile, keyFile := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key")
	cert, err := os.ReadFile(certFile)
	switch {
	case err == nil:
		key, err := os.ReadFile(keyFile)
		if err != nil {
			return nil, fmt.Errorf("%s is there, and its key is not: %w", certFile, err)
		}
		ca, err := authority.Load(authority.Pair{Cert: cert, Key: key})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", certFile, err)
		}
		return ca, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	ca, err := authority.New("lockstep CA", caLasts)
	if err != nil {
		return nil, err
	}
	return ca, c.write(dir, "ca", ca.Pair)
}

func (c *certCommand) sign(ca *authority.Authority, dir string, l authority.Leaf) error {
	if l.Name == "ca" || l.Name != filepath.Base(l.Name) || strings.HasPrefix(l.Name, ".") {
		return fmt.Errorf("%q cannot be the name of a certificate's file", l.Name)
	}
	pair, err := ca.Sign(l)
	if err != nil {
		return err
	}
	return c.write(dir, l.Name, pair)
}

// write writes both files, the key first and each as a whole: brokers may be reading.
func (c *certCommand) write(dir, name string, p authority.Pair) error {
	for _, f := range []struct {
		path string
		b    []byte
		mode os.FileMode
	}{{filepath.Join(dir, name+".key"), p.Key, 0o600}, {filepath.Join(dir, name+".crt"), p.Cert, 0o644}} {
		if err := os.WriteFile(f.path+".new", f.b, f.mode); err != nil {
			return err
		}
		if err := os.Rename(f.path+".new", f.path); err != nil {
			return err
		}
		fmt.Fprintln(c.streams.Out, f.path)
	}
	return nil
}
