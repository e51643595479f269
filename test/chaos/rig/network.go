package rig

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Network is a hub and a namespace for each node and one for the clients, which
// is this process. Addresses exist in these namespaces alone.
type Network struct {
	nodes int
	tag   string // begins the names of its namespaces
	cuts  map[link]bool
	slow  map[int]bool
}

// link is a direction: packets of from that are meant for to.
type link struct{ from, to int }

// Clients is the place of the clients in the network; the nodes count from 1.
const Clients = 9

// entered tells this program, when it has executed itself, that it runs in its
// namespaces already, and which of them is missing why: PID:REASON.
const entered = "LOCKSTEP_RIG_ENTERED"

// Enter makes a network and moves this process into it, and into a mount
// namespace of its own, by executing the program again from its beginning:
// everything that it opens and starts from then on is a client's, and what it
// mounts nobody else sees. The second time around it returns the network. Call
// it first thing. An error says what the machine does not permit.
func Enter(nodes int) (*Network, error) {
	n := &Network{nodes: nodes, tag: "lockstep-" + strconv.Itoa(os.Getpid()) + "-", cuts: map[link]bool{}, slow: map[int]bool{}}
	if how, is := strings.CutPrefix(os.Getenv(entered), strconv.Itoa(os.Getpid())+":"); is {
		if how != "" {
			return nil, errors.New(how)
		}
		return n, nil
	}
	missing := n.makeAll()
	err := n.enter(missing)
	if missing == nil {
		n.Close()
	}
	return nil, errors.Join(missing, err)
}

// makeAll makes all namespaces, or none.
func (n *Network) makeAll() error {
	if _, err := exec.LookPath("ip"); err != nil {
		return errors.New("the program ip is not installed (Debian's iproute2)")
	}
	err := n.make()
	if err != nil {
		n.Close()
	}
	return err
}

// enter executes the program anew in the clients' namespace, unless the network is
// missing, and with mounts of its own; it returns only with an error.
func (n *Network) enter(missing error) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	runtime.LockOSThread() // for good: the namespaces are the thread's, which exec keeps
	if err := ownMounts(); err != nil {
		return err
	}
	how := ""
	if missing != nil {
		how = missing.Error()
	} else if err := setNamespace(n.namespace(Clients)); err != nil {
		return err
	}
	env := append(os.Environ(), entered+"="+strconv.Itoa(os.Getpid())+":"+how)
	return fmt.Errorf("execute %s: %w", self, syscall.Exec(self, os.Args, env))
}

func (n *Network) places() []int {
	places := []int{Clients}
	for id := 1; id <= n.nodes; id++ {
		places = append(places, id)
	}
	return places
}

func (n *Network) hub() string              { return n.tag + "hub" }
func (n *Network) namespace(id int) string  { return n.tag + strconv.Itoa(id) }
func (n *Network) port(id int) string       { return "to" + strconv.Itoa(id) } // of the hub
func (n *Network) Address(id int) string    { return fmt.Sprintf("10.213.%d.2", id) }
func (n *Network) hubAddress(id int) string { return fmt.Sprintf("10.213.%d.1", id) }
func (n *Network) inHub(args ...string) error {
	return command("ip", append([]string{"-n", n.hub()}, args...)...)
}

func (n *Network) make() error {
	if err := command("ip", "netns", "add", n.hub()); err != nil {
		return err
	}
	for _, id := range n.places() {
		if err := n.attach(id); err != nil {
			return err
		}
	}
	return command("ip", "netns", "exec", n.hub(), "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
}

// attach makes a namespace and its link to the hub.
func (n *Network) attach(id int) error {
	ns := n.namespace(id)
	for _, args := range [][]string{
		{"netns", "add", ns},
		{"link", "add", n.port(id), "netns", n.hub(), "type", "veth", "peer", "name", "eth0", "netns", ns},
		{"-n", n.hub(), "addr", "add", n.hubAddress(id) + "/24", "dev", n.port(id)},
		{"-n", n.hub(), "link", "set", n.port(id), "up"},
		{"-n", ns, "addr", "add", n.Address(id) + "/24", "dev", "eth0"},
		{"-n", ns, "link", "set", "eth0", "up"},
		{"-n", ns, "link", "set", "lo", "up"},
		{"-n", ns, "route", "add", "default", "via", n.hubAddress(id)},
	} {
		if err := command("ip", args...); err != nil {
			return err
		}
	}
	return nil
}

// Close removes the namespaces and with them every link.
func (n *Network) Close() {
	for _, id := range n.places() {
		_ = command("ip", "netns", "del", n.namespace(id)) // it may not be there
	}
	_ = command("ip", "netns", "del", n.hub())
}

// Cut makes the hub forget what from sends to to. Nobody is told: connections
// stay open and silent.
func (n *Network) Cut(from, to int) error {
	if n.cuts[link{from, to}] {
		return nil
	}
	n.cuts[link{from, to}] = true
	return n.inHub("rule", "add", "from", n.Address(from), "to", n.Address(to), "blackhole")
}

// Heal ends all cuts and makes every link fast.
func (n *Network) Heal() error {
	var errs []error
	for l := range n.cuts {
		errs = append(errs, n.inHub("rule", "del", "from", n.Address(l.from), "to", n.Address(l.to), "blackhole"))
		delete(n.cuts, l)
	}
	for id := range n.slow {
		errs = append(errs, command("tc", "-n", n.hub(), "qdisc", "del", "dev", n.port(id), "root"))
		delete(n.slow, id)
	}
	return errors.Join(errs...)
}

// Slow lets a node receive so many kilobits a second and no more.
func (n *Network) Slow(id, kilobits int) error {
	n.slow[id] = true
	return command("tc", "-n", n.hub(), "qdisc", "add", "dev", n.port(id), "root",
		"tbf", "rate", strconv.Itoa(kilobits)+"kbit", "burst", "32kb", "latency", "300ms")
}

// within runs f on a thread that is in a node's namespace: what f starts is there.
func (n *Network) within(id int, f func() error) error {
	runtime.LockOSThread()
	own, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer unix.Close(own)
	if err := setNamespace(n.namespace(id)); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	err = f()
	if back := unix.Setns(own, unix.CLONE_NEWNET); back != nil {
		return errors.Join(err, back) // the thread stays locked, and ends with its goroutine
	}
	runtime.UnlockOSThread()
	return err
}

func setNamespace(name string) error {
	fd, err := unix.Open("/run/netns/"+name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open namespace %s: %w", name, err)
	}
	defer unix.Close(fd)
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter namespace %s: %w", name, err)
	}
	return nil
}
