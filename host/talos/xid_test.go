package talos

import "testing"

func TestXIDsAreTheSameInEveryForm(t *testing.T) {
	const plain = "0f8fad5bd9cb469fa16570867728950e"
	want, ok := ParseXID(plain)
	if !ok || want[0] != 0x0f || want[15] != 0x0e {
		t.Fatalf("%x, %v", want, ok)
	}
	for _, text := range []string{
		"0f8fad5b-d9cb-469f-a165-70867728950e", "0F8FAD5B-D9CB-469F-A165-70867728950E",
		"{0f8fad5b-d9cb-469f-a165-70867728950e}", "urn:uuid:0f8fad5b-d9cb-469f-a165-70867728950e",
	} {
		if got, ok := ParseXID(text); !ok || got != want {
			t.Errorf("%s: %x, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "x", plain + "0", "0f8fad5b-d9cb-469f-a165-70867728950g", "12"} {
		if _, ok := ParseXID(text); ok {
			t.Errorf("%q is taken", text)
		}
	}
}
