package rig

import (
	"net"
	"os"
	"strconv"
	"testing"
	"time"
)

// TestCutsAreSilentAndOneWay: what the hub forgets is neither refused nor
// answered, the other direction goes on, and a connection survives a short cut.
func TestCutsAreSilentAndOneWay(t *testing.T) {
	n := &Network{nodes: 2, tag: "rigtest-" + strconv.Itoa(os.Getpid()) + "-", cuts: map[link]bool{}}
	t.Cleanup(n.Close)
	if err := n.make(); err != nil {
		t.Skipf("skip: no network namespaces: %v", err)
	}
	ears := map[int]net.PacketConn{}
	for _, id := range []int{1, 2} {
		if err := n.within(id, func() (err error) {
			ears[id], err = net.ListenPacket("udp4", n.Address(id)+":7000")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		defer ears[id].Close()
	}
	heard := func(from, to int) bool {
		t.Helper()
		addr, err := net.ResolveUDPAddr("udp4", n.Address(to)+":7000")
		if err != nil {
			t.Fatal(err)
		}
		for range 3 { // the first may go while the neighbour is looked for
			if _, err := ears[from].WriteTo([]byte("hello"), addr); err != nil {
				t.Fatalf("a cut must be silent: %v", err)
			}
			ears[to].SetReadDeadline(time.Now().Add(200 * time.Millisecond))
			if _, _, err := ears[to].ReadFrom(make([]byte, 8)); err == nil {
				return true
			}
		}
		return false
	}
	check := func(what string, oneTwo, twoOne bool) {
		t.Helper()
		if got := heard(1, 2); got != oneTwo {
			t.Errorf("%s: 2 hears 1: %v, want %v", what, got, oneTwo)
		}
		if got := heard(2, 1); got != twoOne {
			t.Errorf("%s: 1 hears 2: %v, want %v", what, got, twoOne)
		}
	}
	check("at first", true, true)
	if err := n.Cut(1, 2); err != nil {
		t.Fatal(err)
	}
	check("1 to 2 cut", false, true)
	if err := n.Heal(); err != nil {
		t.Fatal(err)
	}
	check("healed", true, true)
}
