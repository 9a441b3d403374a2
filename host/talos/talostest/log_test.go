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

func TestParseReadsEveryFormOfBytes(t *testing.T) {
	r, err := parse([]byte(`{"offset":7,"timestamp_ms":5,"key":null,"headers":[["a",null],["a",{"base64":"/w=="}],["b",""],["b",null]],"value":"\u00e9","txn_aborted":true,"control":true}`))
	if err != nil {
		t.Fatal(err)
	}
	if r.Position != 7 || r.TimeMillis != 5 || r.Key != nil || string(r.Value) != "é" || !r.Aborted || !r.Control {
		t.Errorf("got %+v", r)
	}
	if got := r.Header("a"); string(got) != "\xff" {
		t.Errorf("header a is %q", got)
	}
	if got := r.Header("b"); got == nil || len(got) != 0 {
		t.Errorf("the last header that has a value is %v, want the empty one", got)
	}
	if got := r.Header("c"); got != nil {
		t.Errorf("header c is %q, want none", got)
	}
}

func TestParseRefusesOtherForms(t *testing.T) {
	for _, text := range []string{``, `{"value":3}`, `{"value":{}}`, `{"value":{"base64":"?"}}`, `{"value":{"hex":"00"}}`, `{"offset":"1"}`} {
		if r, err := parse([]byte(text)); err == nil {
			t.Errorf("%s was read as %+v", text, r)
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
