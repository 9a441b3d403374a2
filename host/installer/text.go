package installer

import "strings"

// printable replaces what PostgreSQL refuses in a text: bytes that are no UTF-8, and NUL.
func printable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
