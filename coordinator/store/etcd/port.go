package etcd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/fileutil"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/etcdhttp"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3rpc"
)

// PortOptions say where a member is reached.
type PortOptions struct {
	// Dir is etcd's directory, in which the port is noted: a member that starts again
	// is reached where it was.
	Dir string
	// Listen is host:port. "" is DefaultPeerPort at Host, or a free port where that is taken.
	Listen string
	// Host is what others are told, and Listen's own host if that is "".
	Host string
	// TLS is how the port is reached; the zero value is plain text.
	TLS TLSFiles
}

// DefaultPeerPort is etcd's own.
const DefaultPeerPort = 2380

// PeerPort is where a member is reached by the other members, over HTTP/1, and by
// brokers that are clients of it, over gRPC. etcd's own listener would have to be
// there when etcd starts; this one may be opened when the first other broker joins,
// and is there before etcd is, so that a broker that joins can show that it is reached.
type PeerPort struct {
	url      string   // that others are told: http://HOST:PORT
	join     []string // where the members were when this one joined; nil: it did not
	listener net.Listener
	server   *http.Server
	handler  atomic.Pointer[http.Handler]
	served   sync.WaitGroup
}

// portNote is what the directory keeps of a port.
type portNote struct {
	Listen string   `json:"listen"`
	URL    string   `json:"url"`
	Join   []string `json:"join,omitempty"` // of a member that joined: where the others were then
}

const (
	portNoteFile = "port.json"
	// peerHeaderTimeout bounds the headers of a request; its body may be a stream for years.
	peerHeaderTimeout = 10 * time.Second
)

// OpenPort binds a member's port and notes it: where it was, if the directory has
// a note of it and nothing else is asked for.
func OpenPort(o PortOptions) (*PeerPort, error) {
	note, noted, err := readPortNote(o.Dir)
	if err != nil {
		return nil, err
	}
	if noted && (o.Listen == "" || o.Listen == note.Listen) {
		p, err := listenPort(note.Listen, note.URL, o.TLS)
		if err == nil {
			p.join = note.Join
		}
		return p, err
	}
	p, err := bindPort(o)
	if err != nil {
		return nil, err
	}
	p.join = note.Join
	note.Listen, note.URL = p.listener.Addr().String(), p.url
	if err := writePortNote(o.Dir, note); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// bindPort finds an address for a port that has none yet.
func bindPort(o PortOptions) (*PeerPort, error) {
	if o.Listen == "" {
		p, err := bindAt(o.Host, o.Host, DefaultPeerPort, o.TLS)
		if err != nil {
			p, err = bindAt(o.Host, o.Host, 0, o.TLS)
		}
		return p, err
	}
	host, text, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("peer port %s: %w", o.Listen, err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("peer port %s: %q is no port", o.Listen, text)
	}
	told := host
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		told = o.Host
	}
	return bindAt(host, told, port, o.TLS)
}

// bindAt binds a host's port and tells others another name of that host.
func bindAt(host, told string, port int, files TLSFiles) (*PeerPort, error) {
	at := listenURL(url.URL{Host: net.JoinHostPort(host, strconv.Itoa(port))})
	l, err := net.Listen("tcp", at.Host)
	if errors.Is(err, syscall.EADDRNOTAVAIL) { // others reach this machine by an address that it has not itself
		l, err = net.Listen("tcp", net.JoinHostPort("0.0.0.0", at.Port()))
	}
	if err != nil {
		return nil, fmt.Errorf("open the peer port: %w", err)
	}
	bound := l.Addr().(*net.TCPAddr).Port
	return newPort(l, files.Scheme()+"://"+net.JoinHostPort(told, strconv.Itoa(bound)), files)
}

// listenPort binds an address that others are told as url.
func listenPort(addr, url string, files TLSFiles) (*PeerPort, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("open the peer port: %w", err)
	}
	return newPort(l, url, files)
}

func newPort(l net.Listener, url string, files TLSFiles) (*PeerPort, error) {
	if encrypts(url) != files.Set() {
		return nil, errors.Join(fmt.Errorf("peer port %s: https:// goes with a certificate, a key and a CA, and these with it", url), l.Close())
	}
	secure, err := files.server()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("peer port %s: %w", url, err), l.Close())
	}
	useTLS(files)
	p := &PeerPort{url: url, listener: l}
	p.answer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(secure == nil)
	protocols.SetHTTP2(secure != nil)
	p.server = &http.Server{
		TLSConfig: secure, Protocols: &protocols, ReadHeaderTimeout: peerHeaderTimeout,
		// Of a handshake that fails, and of a member that stops: etcd's handlers panic then.
		ErrorLog: log.New(io.Discard, "", 0),
		Handler:  http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*p.handler.Load()).ServeHTTP(w, r) }),
	}
	p.served.Go(func() { // it ends with Close
		if secure != nil {
			_ = p.server.ServeTLS(l, "", "")
			return
		}
		_ = p.server.Serve(l)
	})
	return p, nil
}

// URL is what others are told.
func (p *PeerPort) URL() string { return p.url }

// answer has another handler answer from now on.
func (p *PeerPort) answer(h http.Handler) { p.handler.Store(&h) }

// noteJoin notes where the members are that have let this one in.
func (p *PeerPort) noteJoin(dir string, peers []string) error {
	p.join = peers
	return writePortNote(dir, portNote{Listen: p.listener.Addr().String(), URL: p.url, Join: peers})
}

// serve has a member answer.
func (p *PeerPort) serve(s *etcdserver.EtcdServer) {
	senders := &senders{peers: p.join}
	peers, clients := etcdhttp.NewPeerHandler(s.Logger(), s), v3rpc.Server(s, nil, nil)
	p.answer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			clients.ServeHTTP(w, r)
			return
		}
		senders.correct(r)
		peers.ServeHTTP(w, r)
	}))
}

// Close ends the port and all connections to it.
func (p *PeerPort) Close() error {
	err := p.server.Close()
	p.served.Wait()
	return err
}

// HasPort reports whether the directory notes a port: the member has, or is to get, company.
func HasPort(dir string) bool {
	_, noted, _ := readPortNote(dir)
	return noted
}

func readPortNote(dir string) (n portNote, noted bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, portNoteFile))
	if errors.Is(err, fs.ErrNotExist) {
		return n, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &n)
	}
	if err != nil {
		return n, false, fmt.Errorf("read %s of %s: %w", portNoteFile, dir, err)
	}
	return n, true, nil
}

// ForgetPort removes the note of a port.
func ForgetPort(dir string) error {
	err := os.Remove(filepath.Join(dir, portNoteFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// writePortNote is durable: a member that comes back elsewhere is found by nobody.
func writePortNote(dir string, n portNote) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return ReplaceFile(filepath.Join(dir, portNoteFile), text)
}

// ReplaceFile puts a small file in the place of another, durably: after a crash there
// is the one or the other.
func ReplaceFile(path string, content []byte) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	d, err := fileutil.OpenDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(fileutil.Fsync(d), d.Close())
}
