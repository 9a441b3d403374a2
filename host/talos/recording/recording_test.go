package recording

import (
	"bytes"
	"compress/gzip"
	"errors"
	"strings"
	"testing"
)

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

func positions(text string) (all []int, err error) {
	err = Read(strings.NewReader(text), func(r *Record) error {
		all = append(all, int(r.Position))
		return nil
	})
	return all, err
}

func TestReadTakesPackedAndPlainFiles(t *testing.T) {
	const plain = `{"offset":1,"value":"a"}` + "\n" + `{"offset":7,"value":null}` + "\n"
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte(plain)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{plain, packed.String()} {
		if all, err := positions(text); err != nil || len(all) != 2 || all[0] != 1 || all[1] != 7 {
			t.Errorf("read %v, %v", all, err)
		}
	}
	if all, err := positions(""); err != nil || all != nil {
		t.Errorf("an empty file gives %v, %v", all, err)
	}
}

func TestReadNamesTheLineThatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"{\"offset\":1}\n{\"offset\":1}\n": "line 2: position 1 follows 1",
		"{\"offset\":1}\nnothing\n{}\n":    "line 2: invalid character",
		"{\"offset\":1}\n{\"offs":          "line 2, the last one: unexpected end of JSON input; was the file written to its end?",
		"\x1f\x8bnothing":                  "unpack: ",
	} {
		if _, err := positions(text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q gives %v, want %s", text, err, want)
		}
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte("{\"offset\":1}\n{\"offset\":2}\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := positions(packed.String()); err == nil || err.Error() != "behind position 2: unexpected EOF" {
		t.Errorf("of a packed file that is cut it says %v", err)
	}
	stop := errors.New("enough")
	if err := Read(strings.NewReader(`{"offset":1}`), func(*Record) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}
