package talos

import "encoding/hex"

// XID is the id that an agent gave a candidate, whichever of the written forms of a UUID it has. A candidate
// that is sent again has the same.
type XID [16]byte

// ParseXID reads one of the forms that the certifier's store takes: 32 hexadecimal digits, or these with
// hyphens, in braces, or after urn:uuid:. It reports false for any other text.
func ParseXID(text string) (id XID, ok bool) {
	if !isUUID(text) {
		return id, false
	}
	if len(text) == 45 {
		text = text[9:]
	}
	digits := make([]byte, 0, 32)
	for i := range len(text) {
		if hexDigit(text[i]) >= 0 {
			digits = append(digits, text[i])
		}
	}
	_, err := hex.Decode(id[:], digits)
	return id, err == nil
}
