package serve

import (
	"context"
	"log/slog"
	"math"
	"time"

	"github.com/lockstep-log/lockstep/broker"
	"github.com/lockstep-log/lockstep/protocol"
)

// runBroker runs one broker until ctx ends or the broker fails. It logs at
// most eight lines before the broker is ready.
func runBroker(ctx context.Context, cfg serveConfig, logger *slog.Logger) error {
	if len(cfg.Ignored) > 0 {
		logger.Warn("environment variables that are not known; is one misspelled?", "names", cfg.Ignored)
	}
	if len(cfg.Idle) > 0 {
		logger.Info("environment variables of Kafka on which nothing depends here", "names", cfg.Idle)
	}
	out := cfg.broker(logger)
	audit, err := cfg.Access.openAudit()
	if err != nil {
		return err
	}
	defer audit.Close()
	out.Audit = audit.out
	s, err := broker.New(out)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// broker is the configuration in the broker's own words.
func (c serveConfig) broker(logger *slog.Logger) broker.Config {
	out := broker.Config{
		NodeID: protocol.BrokerID(c.NodeID), Rack: c.Rack, DataDir: c.DataDir, ClusterID: c.ClusterID, Version: c.Version,
		HTTPAddr: c.HTTPAddr, Etcd: c.Etcd, EtcdTLS: c.EtcdTLS, Join: c.Join, EtcdListen: c.EtcdListen, InterBroker: c.InterBrokerListener,
		PrincipalMapping: c.Security.Mapping,
		AutoCreateTopics: c.AutoCreateTopics, NumPartitions: c.NumPartitions, TopicDefaults: c.TopicDefaults,
		ReplicationThrottle:      c.Throttle,
		DefaultReplicationFactor: int16(min(c.DefaultReplicas, math.MaxInt16)),
		Groups: broker.GroupConfig{
			OffsetsPartitions: c.OffsetsPartitions, OffsetsReplicas: int16(min(c.OffsetsReplicas, math.MaxInt16)),
			InitialRebalanceDelay: broker.Give(time.Duration(c.GroupDelayMs) * time.Millisecond),
		},
		Logger: logger,

		UserFile: c.Security.UserFile, Tokens: c.Security.Tokens,
		ReauthMax: time.Duration(c.Security.ReauthMs) * time.Millisecond,
		PeerUser: broker.PeerUser{Mechanism: c.Security.PeerMechanism, User: c.Security.PeerUser,
			PasswordFile: c.Security.PeerPasswordFile},
	}
	c.Access.limit(&out)
	c.Groups.limit(&out.Groups)
	c.Kafka.limit(&out)
	for i, l := range c.Listeners {
		a := c.Advertised[i]
		out.Listeners = append(out.Listeners,
			broker.Listener{Name: l.Name, Addr: l.Addr(), AdvertisedHost: a.Host, AdvertisedPort: int32(a.Port),
				Protocol: l.Protocol, TLS: l.TLS, Mechanisms: l.mechanisms()})
	}
	if len(c.EtcdPeers) > 0 {
		out.EtcdPeers = make(map[protocol.BrokerID]string, len(c.EtcdPeers))
		for _, p := range c.EtcdPeers {
			out.EtcdPeers[protocol.BrokerID(p.ID)] = p.URL
		}
	}
	for _, t := range c.Topics {
		out.Topics = append(out.Topics, broker.NewTopic{Name: t.Name, Partitions: t.Partitions})
	}
	return out
}
