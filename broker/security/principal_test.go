package security

import "testing"

// TestPrincipalsAreReadAsKafkaWritesThem: the name may hold colons, as that of a certificate does.
func TestPrincipalsAreReadAsKafkaWritesThem(t *testing.T) {
	for text, want := range map[string]Principal{
		"User:alice":           {User, "alice"},
		"User:CN=a,OU=b:c":     {User, "CN=a,OU=b:c"},
		"Group:":               {"Group", ""},
		":bob":                 {"", "bob"},
		Anonymous.String():     Anonymous,
		UserNamed("").String(): {User, ""},
	} {
		got, ok := ParsePrincipal(text)
		if !ok || got != want || got.String() != text {
			t.Errorf("%q: got %#v, %v", text, got, ok)
		}
	}
	if _, ok := ParsePrincipal("alice"); ok {
		t.Error("a name without a kind was taken")
	}
}
