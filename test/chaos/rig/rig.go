package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-log/lockstep/test/freeport"
)

// Options of a rig.
type Options struct {
	Binary  string   // the broker's program
	Dir     string   // where everything is kept; it must be empty
	Nodes   int      // 1: a single broker with its own etcd, to try the harness itself
	Args    []string // further arguments of each broker
	Network *Network // nil: loopback
	// DiskBytes is the size of each node's own file system; 0: plain directories.
	DiskBytes int64
}

// Rig is a cluster of brokers. Make one with New, and Close it.
type Rig struct {
	Nodes   []*Node
	options Options
}

// New makes disks and addresses; no process runs yet. Disks that cannot be made
// are an error.
func New(o Options) (*Rig, error) {
	r := &Rig{options: o}
	for id := 1; id <= o.Nodes; id++ {
		n, err := r.node(id)
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		r.Nodes = append(r.Nodes, n)
	}
	return r, nil
}

func (r *Rig) node(id int) (*Node, error) {
	n := &Node{ID: id, rig: r, dir: filepath.Join(r.options.Dir, strconv.Itoa(id))}
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		return nil, err
	}
	if err := n.address(r.options.Network); err != nil {
		return nil, err
	}
	n.Data = filepath.Join(n.dir, "data")
	if r.options.DiskBytes > 0 {
		disk, err := NewDisk(n.dir, r.options.DiskBytes)
		if err != nil {
			return nil, err
		}
		n.Disk, n.Data = disk, filepath.Join(disk.Mount, "data")
	}
	return n, nil
}

// address gives the node its three addresses: fixed ones in a network of its
// own, free ones on loopback.
func (n *Node) address(network *Network) error {
	if network != nil {
		host := network.Address(n.ID)
		n.Kafka, n.HTTP, n.peer = host+":9092", host+":9644", "http://"+host+":2380"
		return nil
	}
	for _, of := range []*string{&n.Kafka, &n.HTTP, &n.peer} {
		free, err := freeport.Loopback()
		if err != nil {
			return err
		}
		*of = free
	}
	n.peer = "http://" + n.peer
	return nil
}

// peers is the value of --etcd-peers; a single broker needs none.
func (r *Rig) peers() string {
	if len(r.Nodes) < 2 {
		return ""
	}
	var peers []string
	for _, n := range r.Nodes {
		peers = append(peers, fmt.Sprintf("%d=%s", n.ID, n.peer))
	}
	return strings.Join(peers, ",")
}

// at runs f where a node's processes are to be.
func (r *Rig) at(id int, f func() error) error {
	if r.options.Network == nil {
		return f()
	}
	return r.options.Network.within(id, f)
}

// Kafka is the addresses of all brokers.
func (r *Rig) Kafka() []string {
	var all []string
	for _, n := range r.Nodes {
		all = append(all, n.Kafka)
	}
	return all
}

// Node by its number.
func (r *Rig) Node(id int) *Node { return r.Nodes[id-1] }

// Others are the nodes but one.
func (r *Rig) Others(id int) []*Node {
	return slices.DeleteFunc(slices.Clone(r.Nodes), func(n *Node) bool { return n.ID == id })
}

// Start starts all brokers and waits until all are ready.
func (r *Rig) Start(ctx context.Context) error {
	for _, n := range r.Nodes {
		if err := n.Start(); err != nil {
			return err
		}
	}
	return r.Ready(ctx)
}

// Ready waits until all brokers are.
func (r *Rig) Ready(ctx context.Context) error {
	for _, n := range r.Nodes {
		if err := n.Ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Stop asks all brokers to end, and waits.
func (r *Rig) Stop(ctx context.Context) error {
	errs := make([]error, len(r.Nodes))
	done := make(chan int)
	for i, n := range r.Nodes {
		go func() { // waited for below
			errs[i] = n.Stop(ctx)
			done <- i
		}()
	}
	for range r.Nodes {
		<-done
	}
	return errors.Join(errs...)
}

// Close ends what runs and unmounts the disks. The files stay.
func (r *Rig) Close() error {
	var errs []error
	for _, n := range r.Nodes {
		n.Kill()
		if n.Disk != nil {
			errs = append(errs, n.Disk.Unmount())
		}
	}
	return errors.Join(errs...)
}

// Network is the rig's own, or nil.
func (r *Rig) Network() *Network { return r.options.Network }

// Run runs the broker's program as a client, and returns what it printed.
func (r *Rig) Run(ctx context.Context, args ...string) (string, error) {
	return run(ctx, r.options.Binary, []string{"LOCKSTEP_BROKERS=" + strings.Join(r.Kafka(), ",")}, args)
}
