package serve

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheReadmesConfigurationLoads reads the YAML example as serve would.
func TestTheReadmesConfigurationLoads(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "```yaml\n")
	example, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("the README has no YAML example")
	}
	c := mustLoad(t, nil, nil, example)
	if c.DataDir != "/var/lib/lockstep" || len(c.Advertised) != 2 || len(c.Topics) != 2 ||
		c.TopicDefaults["retention.ms"] == "" {
		t.Errorf("got %+v", c)
	}
}
