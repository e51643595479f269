package etcd

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/coordinator/store/storetest"
	"github.com/lockstep-log/lockstep/internal/authority"
)

// files writes a certificate of a CA and returns where.
func files(t *testing.T, ca *authority.Authority, hosts ...string) TLSFiles {
	t.Helper()
	pair, err := ca.Sign(authority.Leaf{Name: "member", Hosts: hosts, Lasts: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	f := TLSFiles{filepath.Join(dir, "crt"), filepath.Join(dir, "key"), filepath.Join(dir, "ca")}
	for path, b := range map[string][]byte{f.Cert: pair.Cert, f.Key: pair.Key, f.CA: ca.Cert} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// TestMembersMeetOverMutualTLS: three of them have a quorum and keep what is put, and a
// certificate that is of the CA and of no member, as a client's is, opens nothing.
func TestMembersMeetOverMutualTLS(t *testing.T) {
	ca, err := authority.New("ca", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	peers := storetest.FreePeers(t, 3)
	for name, u := range peers {
		peers[name] = strings.Replace(u, "http://", "https://", 1)
	}
	dir := t.TempDir()
	var starting sync.WaitGroup
	all := make([]*Embedded, 3)
	for i, name := range []string{"1", "2", "3"} {
		starting.Go(func() {
			e, err := StartEmbedded(background(t), EmbeddedOptions{Dir: filepath.Join(dir, name), Name: name, Peers: peers,
				TLS: files(t, ca, "127.0.0.1", "localhost"), Logger: quiet})
			if err != nil {
				t.Error(err)
				return
			}
			all[i] = e
		})
	}
	starting.Wait()
	defer func() {
		for _, e := range all {
			if e != nil {
				e.Close()
			}
		}
	}()
	if t.Failed() {
		return
	}
	if ok, _, err := all[0].Store().Txn(background(t), nil, []store.Op{store.Put("k", []byte("v"))}); err != nil || !ok {
		t.Fatalf("%v, %v", ok, err)
	}
	if kv, _, err := all[2].Store().Get(background(t), "k"); err != nil || string(kv.Value) != "v" {
		t.Errorf("%q, %v", kv.Value, err)
	}
	for _, c := range []struct {
		who   string
		files TLSFiles
		may   bool
	}{{"a member", files(t, ca, "127.0.0.1"), true}, {"a client", files(t, ca), false}, {"nobody", TLSFiles{CA: files(t, ca).CA}, false}} {
		useTLS(c.files)
		if members, err := askPeer(background(t), peers["1"]); (err == nil) != c.may {
			t.Errorf("%s: %v, %v", c.who, members, err)
		}
		store, err := DialBrokers([]string{peers["1"]}, c.files)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(background(t), 2*time.Second)
		if _, _, err := store.Get(ctx, "k"); (err == nil) != c.may {
			t.Errorf("%s as a client of etcd: %v", c.who, err)
		}
		cancel()
		store.Close()
	}
}
