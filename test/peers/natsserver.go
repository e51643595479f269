package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const listensWithin = 30 * time.Second

// serveNATS is a NATS server as a process: peers nats -listen ADDR -dir DIR.
// What is not said here is as its own default has it.
func serveNATS(ctx context.Context, args []string, stderr io.Writer) error {
	f := flag.NewFlagSet("peers nats", flag.ContinueOnError)
	f.SetOutput(stderr)
	listen := f.String("listen", "127.0.0.1:4222", "address to listen on")
	dir := f.String("dir", ".", "directory of the streams")
	fsync := f.Bool("fsync", false, "sync_interval: always")
	if err := f.Parse(args); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(*listen)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{Host: host, Port: n, JetStream: true, StoreDir: *dir, SyncAlways: *fsync, NoLog: true, NoSigs: true})
	if err != nil {
		return err
	}
	s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if !s.ReadyForConnections(listensWithin) {
		return errors.New("the NATS server is not ready")
	}
	<-ctx.Done()
	return nil
}
