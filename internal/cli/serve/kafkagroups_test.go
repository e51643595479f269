package serve

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/broker"
)

// Goal: each variable reaches the setting that it names. Method: all at once,
// each with a number of its own.
func TestKafkasVariablesOfGroupsReachTheBroker(t *testing.T) {
	var environ []string
	for i, v := range kafkaGroups {
		if v.name != "group.consumer.max.size" { // which has to be that of group.max.size
			environ = append(environ, fmt.Sprintf("%s=%d", v.env, 100+i))
		}
	}
	ms := func(i int) time.Duration { return time.Duration(100+i) * time.Millisecond }
	want := broker.GroupConfig{
		OffsetsPartitions: 50, OffsetsReplicas: 3, InitialRebalanceDelay: broker.Give(500 * time.Millisecond),
		SessionMin: ms(0), SessionMax: ms(1), MembersMax: 102,
		ConsumerSession: ms(3), ConsumerSessionMin: ms(4), ConsumerSessionMax: ms(5),
		ConsumerHeartbeat: ms(6), ConsumerHeartbeatMin: ms(7), ConsumerHeartbeatMax: ms(8),
		MetadataBytesMax: broker.Give(109), CommitTimeout: ms(10), OffsetsRetention: 111 * time.Minute,
	}
	c := mustLoad(t, nil, environ, "")
	if got := c.broker(slog.Default()).Groups; got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if len(c.Ignored) > 0 {
		t.Errorf("%v are said to be ignored", c.Ignored)
	}
}
