package security

import "testing"

// TestMappingRulesReadAsKafkas: the cases of KIP-371 and of Kafka's documentation.
func TestMappingRulesReadAsKafkas(t *testing.T) {
	const kips = "RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/,RULE:^CN=(.*?),OU=(.*?),O=(.*?),L=(.*?),ST=(.*?),C=(.*?)$/$1@$2/L," +
		"RULE:^.*[Cc][Nn]=([a-zA-Z0-9.]*).*$/$1/L,DEFAULT"
	for _, c := range []struct{ rules, dn, want string }{
		{"", "CN=a,OU=b", "CN=a,OU=b"},
		{"DEFAULT", "CN=a,OU=b", "CN=a,OU=b"},
		{kips, "CN=serviceuser,OU=ServiceUsers,O=Unknown,L=Unknown,ST=Unknown,C=Unknown", "serviceuser"},
		{kips, "CN=adminUser,OU=Admin,O=Unknown,L=Unknown,ST=Unknown,C=Unknown", "adminuser@admin"},
		{kips, "OU=x,cn=Bob9", "bob9"},
		{kips, "O=nobody", "O=nobody"},
		{`RULE:^CN=([^,\/]+).*$/$1/U , DEFAULT`, "CN=kafka1,O=x", "KAFKA1"},
		{`RULE:CN=(\w+)/user-$1x/`, "CN=a", "user-ax"},
	} {
		m, err := ParseMappingRules(c.rules)
		if err != nil {
			t.Errorf("%s: %v", c.rules, err)
			continue
		}
		if got, err := m.Name(c.dn); err != nil || got != c.want {
			t.Errorf("%s of %s: got %q, %v; want %q", c.rules, c.dn, got, err, c.want)
		}
	}
	m, _ := ParseMappingRules("RULE:^CN=(a)$/$1/")
	if got, err := m.Name("CN=ab"); err == nil {
		t.Errorf("a rule fits the whole name or not at all; got %q", got)
	}
	for _, bad := range []string{"DEFAULT2", "RULE:a/b", "RULE:a/b/X", "RULE:(/b/", "RULE:(?=a)/b/", "DEFAULT,,", "rule:a/b/"} {
		if _, err := ParseMappingRules(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
