package serve

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/lockstep-log/lockstep/broker/security"
)

// TestTheComposeFilesBrokersAreAsTheyClaim: each broker of both files starts from its
// variables, and none of the secure one has a listener in plain text.
func TestTheComposeFilesBrokersAreAsTheyClaim(t *testing.T) {
	for _, file := range []string{"docker-compose.yml", "docker-compose.secure.yml"} {
		b, err := os.ReadFile("../../../" + file)
		if err != nil {
			t.Fatal(err)
		}
		var compose struct {
			Services map[string]struct {
				Environment map[string]string `yaml:"environment"`
			} `yaml:"services"`
		}
		if err := yaml.Unmarshal(b, &compose); err != nil {
			t.Fatal(err)
		}
		brokers := 0
		for name, service := range compose.Services {
			if !strings.HasPrefix(name, "broker") {
				continue
			}
			brokers++
			var environ []string
			for k, v := range service.Environment {
				environ = append(environ, fmt.Sprintf("%s=%s", k, v))
			}
			c, err := load(t, nil, environ, "")
			if err != nil {
				t.Errorf("%s: %s: %v", file, name, err)
				continue
			}
			for _, l := range c.Listeners {
				if plain := l.Protocol == security.Plaintext; plain != (file == "docker-compose.yml") {
					t.Errorf("%s: %s: listener %s speaks %s", file, name, l.Name, l.Protocol)
				}
			}
			if len(c.Ignored) > 0 {
				t.Errorf("%s: %s: not known: %v", file, name, c.Ignored)
			}
		}
		if brokers != 3 {
			t.Errorf("%s has %d brokers", file, brokers)
		}
	}
}
