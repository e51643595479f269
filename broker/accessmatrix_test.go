package broker

import (
	"cmp"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/security"
	"github.com/lockstep-log/lockstep/coordinator/acl"
	"github.com/lockstep-log/lockstep/protocol"
)

// The access matrix: every API, asked by principals of all sorts for what is theirs
// and what is not. Codes are Kafka's; facts about 4.3.1 stand beside the columns.

// identities are the columns. Each has a listener of its name.
var identities = []struct {
	name, user string
	rules      []acl.Rule
}{
	{"super", "root", nil},
	{"allowed", "alice", append(allOf("alice", "acc-"), rule(acl.TypeCluster, acl.PatternLiteral, acl.ClusterName, "alice", acl.OpAll, acl.Allow))},
	{"denied", "eve", append(append(allOf("eve", "acc-"), deniedAll("eve")...), rule(acl.TypeCluster, acl.PatternLiteral, acl.ClusterName, "eve", acl.OpAll, acl.Deny))},
	{"other", "bob", allOf("bob", "other-")},
	{"anonymous", "ANONYMOUS", nil},
}

func rule(kind acl.ResourceType, pattern acl.Pattern, name, user string, op acl.Operation, what acl.Permission) acl.Rule {
	return acl.Rule{Resource: acl.Resource{Type: kind, Pattern: pattern, Name: name}, Principal: "User:" + user, Host: "*", Operation: op, Permission: what}
}

func allOf(user, prefix string) (rules []acl.Rule) {
	for _, kind := range []acl.ResourceType{acl.TypeTopic, acl.TypeGroup, acl.TypeTransactionalID} {
		rules = append(rules, rule(kind, acl.PatternPrefixed, prefix, user, acl.OpAll, acl.Allow))
	}
	return rules
}

func deniedAll(user string) (rules []acl.Rule) {
	for _, kind := range []acl.ResourceType{acl.TypeTopic, acl.TypeGroup, acl.TypeTransactionalID} {
		rules = append(rules, rule(kind, acl.PatternLiteral, "*", user, acl.OpAll, acl.Deny))
	}
	return rules
}

// startGuarded starts a broker with an authorizer and a listener for each identity,
// and has the rules of all written.
func startGuarded(t testing.TB, opts ...func(*Config)) *Server {
	s, _ := startServer(t, append([]func(*Config){withoutDelay, func(c *Config) {
		c.AutoCreateTopics = false
		c.Authorizer = &AuthorizerConfig{SuperUsers: []security.Principal{security.UserNamed("root")}}
		for _, id := range identities {
			c.Listeners = append(c.Listeners, Listener{Name: id.name, Addr: "127.0.0.1:0"})
		}
	}}, opts...)...)
	if s.authorizer == nil {
		return s
	}
	for _, id := range identities {
		for _, err := range s.cluster.CreateACLs(t.Context(), id.rules) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return s
}

// withStandIns has the clients of each listener taken for its identity.
func withStandIns(c *Config) {
	c.Authorizer.standIns = map[string]security.Principal{"PLAINTEXT": security.UserNamed("root")}
	for _, id := range identities {
		c.Authorizer.standIns[id.name] = security.UserNamed(id.user)
	}
}

// TestTheAccessMatrix asks every API as every identity, and compares what it answers
// with what is committed. LOCKSTEP_REWRITE=1 writes it anew: read the difference.
func TestTheAccessMatrix(t *testing.T) {
	const golden = "testdata/access-matrix.txt"
	s := startGuarded(t, withStandIns)
	root := dial(t, s.Addr("super"))
	root.createTopic("acc-1", 1)
	id := topicIDOf(root, "acc-1")
	wires := map[string]*wire{}
	for _, id := range identities {
		wires[id.name] = dial(t, s.Addr(id.name))
	}
	asked := map[int16]bool{}
	var got strings.Builder
	fmt.Fprintf(&got, "%-44s", "# request")
	for _, id := range identities {
		fmt.Fprintf(&got, " %-10s", id.name)
	}
	got.WriteString("\n")
	for _, q := range accessQuestions(t, id) {
		asked[q.req.Key()] = true
		versions, _ := protocol.Lookup(q.req.Key())
		for _, v := range slices.Compact([]int16{max(q.from, versions.ServeMin), cmp.Or(q.to, versions.Max)}) {
			fmt.Fprintf(&got, "%-44s", fmt.Sprintf("%s v%d %s", versions.Name, v, q.what))
			for _, id := range identities {
				codes := codesOf(ask[kmsg.Response](wires[id.name], v, q.req))
				if q.denied && (id.name == "super" || id.name == "allowed") {
					codes = "…"
				}
				fmt.Fprintf(&got, " %-10s", codes)
			}
			got.WriteString("\n")
		}
	}
	for i := range apis {
		if !asked[apis[i].key] && !slices.Contains(askedElsewhere, apis[i].key) {
			t.Errorf("nobody asks %s: see accessquestions_test.go", apis[i].name())
		}
	}
	lines := strings.Split(got.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	text := strings.Join(lines, "\n")
	if os.Getenv("LOCKSTEP_REWRITE") != "" {
		if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(want), "\n") {
		if i >= len(lines) || lines[i] != line {
			t.Errorf("line %d:\nwant %s\n got %s", i+1, line, append(lines, make([]string, i+1)...)[i])
		}
	}
}

// askedElsewhere are the APIs of transactions, of proving who one is and of quotas.
var askedElsewhere = []int16{17, 24, 25, 26, 27, 28, 36, 38, 39, 40, 41, 48, 49, 50, 51, 65, 66}

// TestEveryNeedHasAGuard: a row with needs that nobody asks for lets nobody in.
func TestEveryNeedHasAGuard(t *testing.T) {
	for i := range apis {
		a := &apis[i]
		if len(a.needs) > 0 && guards[a.key] == nil && !a.needsOnlyCluster() {
			t.Errorf("%s has needs and no guard", a.name())
		}
	}
}

// codesOf are the error codes of an answer, each once, in their order; "-" where the
// answer has no place for one.
func codesOf(resp kmsg.Response) string {
	var codes []string
	collectCodes(reflect.ValueOf(resp).Elem(), &codes)
	if len(codes) == 0 {
		return "-"
	}
	return strings.Join(codes, ",")
}

func collectCodes(v reflect.Value, codes *[]string) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			switch {
			case f.Name == "ErrorCode" || f.Name == "ConfigErrorCode":
				if code := fmt.Sprint(v.Field(i).Int()); !slices.Contains(*codes, code) {
					*codes = append(*codes, code)
				}
			case f.IsExported() && f.Name != "UnknownTags":
				collectCodes(v.Field(i), codes)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			collectCodes(v.Index(i), codes)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			collectCodes(v.Elem(), codes)
		}
	}
}

func topicIDOf(w *wire, name string) [16]byte {
	return ask[*kmsg.MetadataResponse](w, 12, metadataRequest(name)).Topics[0].TopicID
}

// accessQuestion is a request that harms nothing when it is granted.
type accessQuestion struct {
	what string
	from int16 // the first version that it can be asked in
	req  kmsg.Request
	to   int16 // the last version; 0: the last that is served
	// denied: only what it is answered to who may not is compared.
	denied bool
}

func accessQuestions(t *testing.T, id [16]byte) []accessQuestion {
	return slices.Concat(recordQuestions(t, id), topicQuestions(id), groupQuestions(), clusterQuestions())
}
