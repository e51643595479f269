package security

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"strings"
)

// attributeNames are the attributes that RFC 2253 has names for. Others are written
// by their number, as Java does, whose way of writing a name Kafka's rules and ACLs
// are made for.
var attributeNames = map[string]string{
	"2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "STREET", "2.5.4.10": "O", "2.5.4.11": "OU",
	"0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
}

// DistinguishedName is the subject of a certificate in the text of RFC 2253: most
// particular first, as in CN=kafka1,OU=brokers,O=example.
func DistinguishedName(cert *x509.Certificate) string {
	var names pkix.RDNSequence
	if rest, err := asn1.Unmarshal(cert.RawSubject, &names); err != nil || len(rest) > 0 {
		return cert.Subject.String()
	}
	parts := make([]string, 0, len(names))
	for i := len(names) - 1; i >= 0; i-- {
		one := make([]string, 0, len(names[i]))
		for _, a := range names[i] {
			one = append(one, attribute(a))
		}
		parts = append(parts, strings.Join(one, "+"))
	}
	return strings.Join(parts, ",")
}

func attribute(a pkix.AttributeTypeAndValue) string {
	oid := a.Type.String()
	name, known := attributeNames[oid]
	text, ok := a.Value.(string)
	if !known || !ok {
		der, err := asn1.Marshal(a.Value)
		if err != nil {
			return oid + "="
		}
		return fmt.Sprintf("%s=#%s", oid, hex.EncodeToString(der))
	}
	return name + "=" + escapeAttribute(text)
}

// escapeAttribute escapes what RFC 2253 has a meaning for.
func escapeAttribute(s string) string {
	var b strings.Builder
	for i, r := range s {
		first, last := i == 0, i == len(s)-1
		if strings.ContainsRune(`,+"\<>;`, r) || first && (r == '#' || r == ' ') || last && r == ' ' {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
