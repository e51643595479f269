package broker

import (
	"context"
	"log/slog"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/protocol"
)

// A broker that is stopped leads nothing any more when it goes, and its next
// life goes on from where it was: in the broker epoch that it noted.
func TestAStoppedBrokerHandsOverFirstAndComesBackInSync(t *testing.T) {
	ps := startPeers(t, 3)
	ps.create("kept", 6, 1, 2, 3)
	cl := ps.client()
	for i := range int32(6) {
		write(t, cl, "kept", i, 1000)
	}
	before := ps.all[1].cluster.BrokerEpoch()
	ps.halt(1)
	for i := range int32(6) {
		if p := ps.at(ps.all[2], "kept", i); p.Leader == 1 || p.Leader == protocol.NoBroker {
			t.Fatalf("partition %d is led by %d when the broker is gone", i, p.Leader)
		}
		write(t, cl, "kept", i, 2000)
	}
	if noted, err := partitions.ReadCleanShutdown(vfs.Default, ps.all[1].cfg.DataDir); err != nil || noted != before {
		t.Fatalf("it noted broker epoch %d (%v), and was %d", noted, err, before)
	}
	ps.restart(1)
	if noted, err := partitions.ReadCleanShutdown(vfs.Default, ps.all[1].cfg.DataDir); err != nil || noted != 0 {
		t.Fatalf("the note of the last stop is still there: %d, %v", noted, err)
	}
	for i := range int32(6) {
		ps.awaitInSync("kept", i, 1)
		ps.awaitEqual("kept", i, 2, 1, 3)
	}
	if b, _ := ps.all[2].cluster.Image().Broker(1); b.PreviousEpoch != before {
		t.Fatalf("it goes on from broker epoch %d, and was %d", b.PreviousEpoch, before)
	}
}

// A broker that waits for its peers can be stopped.
func TestABrokerThatWaitsForAQuorumCanBeStopped(t *testing.T) {
	s, err := New(Config{
		NodeID: 1, DataDir: t.TempDir(), Listeners: []Listener{{Addr: "127.0.0.1:0"}}, HTTPAddr: "127.0.0.1:0",
		EtcdPeers: map[protocol.BrokerID]string{1: "http://127.0.0.1:" + freePort(t), 2: "http://127.0.0.1:" + freePort(t)},
		Logger:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	w := httpStatus(t, s.HTTPAddr(), "/v1/status/ready")
	if w != 503 || httpStatus(t, s.HTTPAddr(), "/v1/status/live") != 200 {
		t.Errorf("ready: status %d", w)
	}
	stop()
	if err := <-ran; err != nil {
		t.Fatal(err)
	}
}
