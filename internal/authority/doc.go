// Package authority makes certificate authorities and the certificates that they sign,
// for development, tests and small clusters: what `lockstep cert` writes to files.
//
// Keys are of P-256. An Authority's own key signs and does nothing else; a Leaf serves
// as a server's and as a client's, since brokers are both. Nothing here is revoked:
// certificates are replaced.
package authority
