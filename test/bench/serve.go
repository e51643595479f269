package main

import (
	"context"
	"flag"
	"io"
	"net"
	"strconv"

	"github.com/lockstep-log/lockstep/test/bench/floor"
	"github.com/twmb/franz-go/pkg/kfake"
)

// serveFloor is the floor as a process: bench floor -listen ADDR -dir DIR.
func serveFloor(ctx context.Context, args []string, stderr io.Writer) error {
	f := flag.NewFlagSet("bench floor", flag.ContinueOnError)
	f.SetOutput(stderr)
	var stages floor.Stages
	listen := f.String("listen", "127.0.0.1:9092", "address to listen on")
	dir := f.String("dir", ".", "directory of the log, which is overwritten")
	f.BoolVar(&stages.CRC, "crc", true, "check the batch's CRC")
	f.BoolVar(&stages.Write, "write", true, "write the batch")
	f.BoolVar(&stages.Fsync, "fsync", true, "group-commit by fdatasync before the answer")
	if err := f.Parse(args); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	s, err := floor.New(ln, *dir, stages)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { s.Close() })()
	return s.Serve()
}

// serveKfake is a Kafka look-alike in memory as a process, to try the bench
// without a broker: -server '{self} kfake -listen {listen}'. It checks no locks.
func serveKfake(ctx context.Context, args []string, stderr io.Writer) error {
	f := flag.NewFlagSet("bench kfake", flag.ContinueOnError)
	f.SetOutput(stderr)
	listen := f.String("listen", "127.0.0.1:9092", "loopback address to listen on")
	if err := f.Parse(args); err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(*listen)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(n))
	if err != nil {
		return err
	}
	defer c.Close()
	<-ctx.Done()
	return nil
}
