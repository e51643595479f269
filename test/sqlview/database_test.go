package sqlview

import (
	"database/sql"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/lockstep-log/lockstep/client/sqlview"

	_ "github.com/jackc/pgx/v5/stdlib" // registers "pgx"
)

// database is one to apply to, as a child process is told of it.
type database struct {
	Driver, DSN string
}

func (d database) dialect() sqlview.Dialect {
	if d.Driver == "sqlite" {
		return sqlview.SQLite
	}
	return sqlview.PostgreSQL
}

func (d database) open() (*sql.DB, error) { return sql.Open(d.Driver, d.DSN) }

// connect is open for a test.
func (d database) connect(t *testing.T) *sql.DB {
	t.Helper()
	db, err := d.open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// filled is connect, and the bank's tables made.
func (d database) filled(t *testing.T) *sql.DB {
	t.Helper()
	db := d.connect(t)
	if err := (bank{d.dialect()}).create(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	return db
}

// onEach runs a test on a fresh database of each kind that there is.
func onEach(t *testing.T, test func(t *testing.T, d database)) {
	t.Run("SQLite", func(t *testing.T) { test(t, sqlite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, postgres(t).database(t)) })
}

func sqlite(t *testing.T) database {
	return database{"sqlite", "file:" + filepath.Join(t.TempDir(), "bank.db") +
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(normal)&_txlock=immediate"}
}

// cluster is a PostgreSQL of the test run's own, on a socket in its directory.
type cluster struct {
	dir, bin string
	as       *syscall.Credential // nil: as whoever runs the tests
}

var started struct {
	sync.Once
	*cluster
	why string // there is none
}

// postgres starts PostgreSQL once a test run, or skips with a reason.
func postgres(t *testing.T) *cluster {
	t.Helper()
	started.Do(startCluster)
	if started.cluster == nil {
		t.Skip(started.why)
	}
	return started.cluster
}

func startCluster() {
	bin := postgresBin()
	if bin == "" {
		started.why = "PostgreSQL is not installed (apt-get install postgresql)"
		return
	}
	dir, err := os.MkdirTemp("", "lockstep-pg-")
	if err != nil {
		started.why = err.Error()
		return
	}
	c := &cluster{dir: dir, bin: bin}
	if os.Getuid() == 0 { // PostgreSQL refuses to run as root
		c.as = unprivileged()
		if err := os.Chown(dir, int(c.as.Uid), int(c.as.Gid)); err != nil {
			started.why = err.Error()
			return
		}
	}
	if out, err := c.run("initdb", "-D", c.data(), "-U", "bank", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale", "C"); err != nil {
		started.why = "initdb: " + string(out)
		return
	}
	if out, err := c.start(); err != nil {
		started.why = "pg_ctl start: " + string(out)
		return
	}
	started.cluster = c
}

// postgresBin is where initdb is: Debian does not put it into the path.
func postgresBin() string {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return ""
	}
	return filepath.Dir(found[len(found)-1])
}

// unprivileged is the user postgres, or nobody.
func unprivileged() *syscall.Credential {
	if u, err := user.Lookup("postgres"); err == nil {
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534}
}

func (c *cluster) data() string { return filepath.Join(c.dir, "data") }

func (c *cluster) run(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir = c.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.as}
	return cmd.CombinedOutput()
}

func (c *cluster) start() ([]byte, error) {
	return c.run("pg_ctl", "-D", c.data(), "-w", "-t", "60", "-l", filepath.Join(c.dir, "log"), "start",
		"-o", "-k "+c.dir+" -c listen_addresses='' -c fsync=off -c max_connections=60")
}

// crash ends the server at once, as a crash of it would.
func (c *cluster) crash() ([]byte, error) {
	return c.run("pg_ctl", "-D", c.data(), "-w", "-m", "immediate", "stop")
}

// stopCluster ends the server at the end of the test run.
func stopCluster() {
	if c := started.cluster; c != nil {
		c.crash()
		os.RemoveAll(c.dir)
	}
}

// database makes one for a test, with the test's name.
func (c *cluster) database(t *testing.T) database {
	t.Helper()
	name := "t" + strconv.FormatInt(int64(os.Getpid()), 10) + "_" + strconv.Itoa(nextDatabase())
	db := database{"pgx", c.dsn("postgres")}.connect(t)
	if _, err := db.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	return database{"pgx", c.dsn(name)}
}

func (c *cluster) dsn(name string) string { return "host=" + c.dir + " user=bank dbname=" + name }

var databases struct {
	sync.Mutex
	n int
}

func nextDatabase() int {
	databases.Lock()
	defer databases.Unlock()
	databases.n++
	return databases.n
}
