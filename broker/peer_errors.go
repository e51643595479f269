package broker

import "github.com/lockstep-log/lockstep/broker/replication"

// peerCode is what a leader answers a follower.
func peerCode(err error) int16 {
	if code, ok := replication.CodeOf(err); ok {
		return code
	}
	return codeOf(err)
}
