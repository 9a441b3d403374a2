package talostest

import "testing"

func TestRecordedTopicsAreWhole(t *testing.T) {
	for _, c := range []struct {
		name string
		open func() ([]Record, error)
		want int
	}{{"small", Small, 230}, {"contention", Contention, 25598}} {
		records, err := c.open()
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if len(records) != c.want {
			t.Fatalf("%s: %d records, want %d", c.name, len(records), c.want)
		}
		for i, r := range records {
			if int(r.Position) != i || len(r.Key) != 36 || len(r.Headers) < 2 || r.Value == nil || r.Aborted || r.Control {
				t.Fatalf("%s: record %d is %+v", c.name, i, r)
			}
		}
	}
}

func TestBankDigestSortsItsLines(t *testing.T) {
	one := BankDigest([]BankRow{{"0002", "1.50000", 9}, {"0001", "-2.00000", 8}})
	two := BankDigest([]BankRow{{"0001", "-2.00000", 8}, {"0002", "1.50000", 9}})
	if one != two {
		t.Errorf("%s and %s differ", one, two)
	}
	// printf '0001,-2.00000,8\n0002,1.50000,9\n' | sha256sum
	if want := "450f8fd6c04641bdff394c9684df997a0374b1df68878168c8782224e2b7ca41"; one != want {
		t.Errorf("digest %s, want %s", one, want)
	}
}
