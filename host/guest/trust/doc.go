// Package trust says whose modules are taken: those of digests that the settings pin, and those that
// are signed by a key of the settings. It looks at nothing that is in a module.
//
// A signature is of a guest's name and of the SHA-256 of a module, by ed25519. It stands in a line of
// its own, in a file beside the module, on the manifest in a registry, or beside the module in the
// cohort's database:
//
//	ed25519 KEY-ID sha256:DIGEST SIGNATURE NAME
//
// KEY-ID is the beginning of the SHA-256 of the public key, SIGNATURE is in base64, and NAME is the
// rest of the line. What is signed is three lines, of which the first keeps it from meaning anything
// elsewhere, without a line break at the end:
//
//	ichor guest v1
//	sha256:DIGEST
//	NAME
package trust
