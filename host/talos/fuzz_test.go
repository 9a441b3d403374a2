package talos

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"testing"
	"unicode/utf8"
)

func FuzzDecodeCandidate(f *testing.F) {
	f.Add([]byte(exampleA))
	f.Add([]byte(with("statemap", `[{"A":1},{"B\u00e9":[1e400,{"x":null}]}]`)))
	f.Add([]byte(with("statemap", `[{"A":1,"B":2}]`)))
	f.Add([]byte(with("statemap", "[{\"A\":\"\xff\\ud800\"}]")))
	f.Add([]byte(with("metadata", `{"a":"b"}`)))
	f.Add([]byte(with("publishedAt", "-"+min128)))
	f.Add([]byte(`{"a":[1,-0.5e+7,true,false,null,{}],"a":"\""}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		var c Candidate
		err := DecodeCandidate(7, value, &c)
		if want := oracleAccepts(value); want != (err == nil) {
			t.Fatalf("oracle accepts: %v, decoder: %v", want, err)
		}
		if err != nil {
			checkRefusal(t, err, value)
			return
		}
		checkItems(t, &c)
	})
}

func FuzzDecodeDecision(f *testing.F) {
	f.Add([]byte(decision(`"decision":"committed","version":1042,"safepoint":1037`)))
	f.Add([]byte(decision(`"decision":"aborted","version":9,"duplicateVersion":10,"time":null`)))
	f.Add([]byte(`{"decision":"` + "\xff" + `"}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		var d Decision
		if err := DecodeDecision(value, &d); err != nil {
			checkRefusal(t, err, value)
			return
		}
		if !json.Valid(value) || d.Outcome == Undecided {
			t.Fatalf("accepted as %+v", d)
		}
		if !d.Duplicate && d.Version != d.Original {
			t.Fatalf("about %v, certified as %v, and no duplicate", d.Version, d.Original)
		}
	})
}

func checkRefusal(t *testing.T, err error, value []byte) {
	t.Helper()
	refused := (*Refused)(nil)
	if !errors.As(err, &refused) || refused.Reason == "" || refused.Where < 0 || refused.Where > len(value) {
		t.Fatalf("got %#v", err)
	}
}

// checkItems holds the items against what encoding/json makes of the statemap.
func checkItems(t *testing.T, c *Candidate) {
	t.Helper()
	fields, _ := oracleFields(c.Value)
	statemaps := fields["statemap"]
	if c.Unreadable != nil {
		if len(c.Items) > 0 || len(statemaps) == 0 || c.Unreadable.Where > len(c.Value) {
			t.Fatalf("unreadable %v beside %d items of %d statemaps", c.Unreadable, len(c.Items), len(statemaps))
		}
		return
	}
	var want []map[string]json.RawMessage
	if len(statemaps) > 1 || len(statemaps) == 1 && json.Unmarshal(statemaps[0], &want) != nil {
		t.Fatalf("statemaps %q were read as %q", statemaps, c.Items)
	}
	if len(want) != len(c.Items) {
		t.Fatalf("%d items, want %d", len(c.Items), len(want))
	}
	for i, element := range want {
		item := c.Items[i]
		if len(element) != 1 || !bytes.Equal(element[item.Action], item.Payload) || !utf8.Valid(item.Payload) {
			t.Fatalf("item %d is %q, want %q", i, item, element)
		}
	}
}

// oracleFields returns the raw values of each name of the outermost object, and whether every
// name has a meaning.
func oracleFields(value []byte) (map[string][]json.RawMessage, bool) {
	d := json.NewDecoder(bytes.NewReader(value))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, false
	}
	fields := map[string][]json.RawMessage{}
	clear := true
	for d.More() {
		before := d.InputOffset()
		name, err := d.Token()
		if err != nil {
			return nil, false
		}
		raw := value[before:d.InputOffset()]
		clear = clear && oracleClear(raw[bytes.IndexByte(raw, '"'):])
		var field json.RawMessage
		if err := d.Decode(&field); err != nil {
			return nil, false
		}
		fields[name.(string)] = append(fields[name.(string)], field)
	}
	return fields, clear
}

// oracleClear reports whether a quoted string is UTF-8 without lone surrogates: encoding/json
// would put U+FFFD in their place.
func oracleClear(quoted []byte) bool {
	var text string
	if !utf8.Valid(quoted) || json.Unmarshal(quoted, &text) != nil {
		return false
	}
	honest := bytes.Count(quoted, []byte("\ufffd")) + bytes.Count(bytes.ToLower(quoted), []byte(`\ufffd`))
	return bytes.Count([]byte(text), []byte("\ufffd")) <= honest
}

// oracleAccepts says by encoding/json alone whether the certifier accepts a candidate.
func oracleAccepts(value []byte) bool {
	if !json.Valid(value) {
		return false
	}
	fields, clear := oracleFields(value)
	if fields == nil || !clear {
		return false
	}
	for _, name := range []string{"xid", "agent", "cohort", "readset", "readvers", "snapshot", "writeset", "publishedAt"} {
		if len(fields[name]) != 1 {
			return false
		}
	}
	for _, name := range []string{"metadata", "certificationStartedAt", "requestCreatedAt"} {
		if len(fields[name]) > 1 {
			return false
		}
	}
	for name, raws := range fields {
		if !oracleField(name, raws[0]) {
			return false
		}
	}
	return true
}

func oracleField(name string, raw json.RawMessage) bool {
	switch name {
	case "agent", "cohort":
		return raw[0] == '"' && oracleClear(raw)
	case "xid":
		var text string
		return raw[0] == '"' && oracleClear(raw) && json.Unmarshal(raw, &text) == nil && isUUID(text)
	case "readset", "writeset":
		return oracleList(raw, func(e json.RawMessage) bool { return e[0] == '"' && oracleClear(e) })
	case "readvers":
		return oracleList(raw, oracleUint)
	case "snapshot":
		return oracleUint(raw)
	case "metadata":
		if string(raw) == "null" {
			return true
		}
		fields, clear := oracleFields(raw)
		for _, values := range fields {
			for _, value := range values {
				clear = clear && value[0] == '"' && oracleClear(value)
			}
		}
		return clear && fields != nil
	case "certificationStartedAt", "requestCreatedAt", "publishedAt":
		_, err := strconv.ParseInt(string(raw), 10, 64)
		return err == nil || oracleUint(raw)
	}
	return true
}

func oracleList(raw json.RawMessage, element func(json.RawMessage) bool) bool {
	var list []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		return false
	}
	for _, e := range list {
		if !element(e) {
			return false
		}
	}
	return true
}

func oracleUint(raw json.RawMessage) bool {
	_, err := strconv.ParseUint(string(raw), 10, 64)
	return err == nil
}
