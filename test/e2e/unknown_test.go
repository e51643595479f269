package e2e

import (
	"strings"
	"testing"
)

// TestANameThatThereIsNotIsAnError, in every command that takes one.
func TestANameThatThereIsNotIsAnError(t *testing.T) {
	b := Start(t)
	if _, stderr, code := b.CLI("", "topic", "create", "t", "-p", "2"); code != 0 {
		t.Fatal(stderr)
	}
	const noTopic = `topic "nosuch" does not exist`
	for _, c := range []struct{ line, want string }{
		{"topic alter t --unset nosuch.key", `topic "t": INVALID_CONFIG: Unknown topic config name: nosuch.key`},
		{"topic alter t --config nosuch.key=1", `topic "t": INVALID_CONFIG: Unknown topic config name: nosuch.key`},
		{"topic alter nosuch --unset retention.ms", `topic "nosuch": UNKNOWN_TOPIC_OR_PARTITION: `},
		{"topic describe nosuch", noTopic},
		{"topic list nosuch", noTopic},
		{"topic delete nosuch", `topic "nosuch": UNKNOWN_TOPIC_OR_PARTITION: `},
		{"topic add-partitions nosuch -n 1", noTopic},
		{"cluster reassign nosuch", noTopic},
		{"cluster reassign nosuch --leaders", noTopic},
		{"cluster reassign t -p 9", `topic "t" has no partition 9`},
		{"cluster reassign t --replicas 99", "it names broker 99, which is not registered"},
		{"cluster reassign --replace 1=99", "broker 99 is not there to take anything; there are 1"},
		{"cluster reassign --replace 99=1", "broker 99 is not known"},
		{"cluster rebalance nosuch", noTopic},
		{"cluster remove 99", "broker 99 is not known"},
		{"conflicts tail --follow=false --topic nosuch", noTopic},
		{"conflicts tail --follow=false --topic t -p 9", `topic "t" has no partition 9`},
		{"group describe nosuch", `group "nosuch" does not exist`},
		{"group delete nosuch", `group "nosuch" does not exist`},
		{"group reset nosuch -o start", `group "nosuch" has no offsets`},
		{"group reset g --topic nosuch -o start", noTopic},
		{"group alter g --unset nosuch.key", `group "g": INVALID_CONFIG: Unknown group config name: nosuch.key`},
		{"group alter g --config nosuch.key=1", `group "g": INVALID_CONFIG: Unknown group config name: nosuch.key`},
		{"lock show nosuch l", noTopic},
		{"lock show t l -p 9", `topic "t" has no partition 9`},
		{"lock check nosuch --write l --basis none", noTopic},
		{"lock check t --write l --basis none -p 9", `topic "t" has no partition 9`},
		{"lock hot nosuch", noTopic},
		{"lock history nosuch l", noTopic},
		{"lock history t l -p 9", `topic "t" has no partition 9`},
		{"audit nosuch", noTopic},
		{"audit t -p 9", `topic "t" has no partition 9`},
		{"consume nosuch -e", noTopic},
		{"consume t -e -p 9", `topic "t" has no partition 9`},
		{"append nosuch x --timeout 2s", noTopic},
		{"append t x -p 9", `topic "t" has no partition 9`},
		{"bench consume nosuch", noTopic},
		{"bench produce nosuch -n 1", noTopic},
		{"bench append nosuch -n 1", noTopic},
		{"dump nosuch", "no such file or directory"},
	} {
		stdout, stderr, code := b.CLI("", strings.Fields(c.line)...)
		if code != 1 || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, want 1 and %q; it said %q %q", c.line, code, c.want, stdout, stderr)
		}
	}
	for _, line := range []string{"topic alter t --unset retention.ms", "group alter g --unset consumer.session.timeout.ms"} {
		if stdout, stderr, code := b.CLI("", strings.Fields(line)...); code != 0 || !strings.Contains(stdout, "altered") {
			t.Errorf("%s: exit %d, %q %q", line, code, stdout, stderr)
		}
	}
}
