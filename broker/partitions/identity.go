package partitions

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
)

// identityFile says whose a data directory is:
//
//	directory=QmFz…   a random name, made once: it tells a broker that came back
//	                  from a second one that was given the same node id, and a
//	                  disk from the one that replaced it
//	node=1
//	cluster=N8Zk…     not there before the first start has found, or made, it
//
// A file of one line without a "=" holds the directory's name alone, as the
// first versions wrote it.
const identityFile = "directory.id"

// UnknownClusterID is that of a directory whose first start has not learnt it yet.
const UnknownClusterID = ""

const (
	directoryIDBytes = 16
	identityBytesMax = 4 << 10
	unknownNode      = protocol.NoBroker
	identityAdvice   = "if the file was damaged, restore it; without it the broker cannot tell whose data this is"
)

// ErrForeignDirectory refuses a data directory that belongs to somebody else.
var ErrForeignDirectory = errors.New("the data directory belongs to another broker")

// Identity is what the file holds: whose the directory is.
type Identity struct {
	Directory string
	Node      protocol.BrokerID // unknownNode in a file of the first versions
	Cluster   string            // UnknownClusterID before the first start has learnt it
}

// ClaimIdentity reads the directory's identity, or makes it, for the broker with
// the given node id. A directory of another node, or of another cluster than
// the one that was asked for, is refused before anything in it is touched.
func ClaimIdentity(fsys vfs.FS, dir string, node protocol.BrokerID, cluster string) (Identity, error) {
	id, err := readIdentity(fsys, dir)
	if err != nil {
		return id, err
	}
	switch {
	case id.Node != unknownNode && id.Node != node:
		return id, fmt.Errorf("%w: %s was written by node %d of cluster %s, and this is node %d; "+
			"give this broker a data directory of its own, or start it with --node-id %d%s",
			ErrForeignDirectory, dir, id.Node, OrUnknown(id.Cluster), node, id.Node, onceOne(id.Node, node))
	case id.Cluster != UnknownClusterID && cluster != "" && id.Cluster != cluster:
		return id, fmt.Errorf("%w: %s was written by node %d of cluster %s, and cluster %s is asked for; "+
			"give this broker a data directory of its own, or leave the cluster id out",
			ErrForeignDirectory, dir, id.Node, id.Cluster, cluster)
	}
	claimed := id
	claimed.Node = node
	if claimed.Directory == "" {
		claimed.Directory = newDirectoryID()
	}
	if claimed != id {
		err = claimed.write(fsys, dir)
	}
	return claimed, err
}

// onceOne tells who upgrades why a directory of node 0 is one of node 1.
func onceOne(was, is protocol.BrokerID) string {
	if was != 1 || is != 0 {
		return ""
	}
	return ", which is what earlier versions made of --node-id 0"
}

// BelongTo notes the cluster that the directory belongs to from now on.
func (id *Identity) BelongTo(fsys vfs.FS, dir, cluster string) error {
	if id.Cluster == cluster {
		return nil
	}
	id.Cluster = cluster
	return id.write(fsys, dir)
}

// OrUnknown is a cluster id for people to read.
func OrUnknown(cluster string) string {
	if cluster == UnknownClusterID {
		return "(not known yet)"
	}
	return cluster
}

func readIdentity(fsys vfs.FS, dir string) (Identity, error) {
	path := filepath.Join(dir, identityFile)
	none := Identity{Node: unknownNode}
	f, err := fsys.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, identityBytesMax))
	if err != nil {
		return none, err
	}
	id, err := parseIdentity(string(raw))
	if err != nil {
		return none, fmt.Errorf("%s holds %q: %w; %s", path, protocol.PrintableShort(string(raw)), err, identityAdvice)
	}
	return id, nil
}

func parseIdentity(text string) (Identity, error) {
	id := Identity{Node: unknownNode}
	if text = strings.TrimSpace(text); !strings.Contains(text, "=") {
		text = "directory=" + text
	}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "directory":
			id.Directory = value
		case "cluster":
			id.Cluster = value
		case "node":
			n, err := strconv.ParseInt(value, 10, 32)
			if err != nil || n < 0 {
				return id, fmt.Errorf("node %q is no node id", protocol.PrintableShort(value))
			}
			id.Node = protocol.BrokerID(n)
		}
	}
	if b, err := base64.RawURLEncoding.DecodeString(id.Directory); err != nil || len(b) != directoryIDBytes {
		return id, errors.New("there is no directory id in it")
	}
	return id, nil
}

func newDirectoryID() string {
	var b [directoryIDBytes]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (id Identity) write(fsys vfs.FS, dir string) error {
	text := fmt.Sprintf("directory=%s\nnode=%d\n", id.Directory, id.Node)
	if id.Cluster != UnknownClusterID {
		text += "cluster=" + id.Cluster + "\n"
	}
	return replaceFile(fsys, filepath.Join(dir, identityFile), []byte(text))
}

// replaceFile puts a small file in the place of another, durably: after a crash
// there is the one or the other.
func replaceFile(fsys vfs.FS, path string, content []byte) error {
	temp := path + ".new"
	f, err := fsys.Create(temp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(fsys, filepath.Dir(path))
}

func syncDir(fsys vfs.FS, dir string) error {
	d, err := fsys.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
