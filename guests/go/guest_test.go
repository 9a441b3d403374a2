package guest_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/ichor-replicator/ichor/abi"
	guest "github.com/ichor-replicator/ichor/guests/go"
	"github.com/ichor-replicator/ichor/guests/go/guesttest"
)

const manifest = `{"name":"n","version":"1","input":"tokens","unknown_action":"reject",
"actions":[{"name":"A","templates":[1,2]}],
"templates":[{"id":1,"name":"one","sql":"x","params":["text"],"writes":["r"]},{"id":2,"name":"two","sql":"x","params":["text","text"],"writes":["r"]}]}`

func one(t *testing.T, convert guest.Convert, payload string) string {
	t.Helper()
	return guesttest.Convert(t, guest.New(manifest, convert), []guesttest.Item{{Action: "A", Payload: payload}})[0]
}

func TestValues(t *testing.T) {
	payload := `{"s":"a\nb","n":1.50,"t":true,"z":null,"a":[1,"x"],"o":{"k":"v"},"s2":"","n":2}`
	tests := []struct {
		name string
		get  func(p guest.Value) guest.Value
		want string
	}{
		{"text", func(p guest.Value) guest.Value { return p.Field("s") }, `ok one("a\nb")`},
		{"last of two", func(p guest.Value) guest.Value { return p.Field("n") }, `ok one("2")`},
		{"true", func(p guest.Value) guest.Value { return p.Field("t") }, `ok one("true")`},
		{"null", func(p guest.Value) guest.Value { return p.Field("z") }, `ok one(null)`},
		{"empty", func(p guest.Value) guest.Value { return p.Field("s2") }, `ok one("")`},
		{"nested", func(p guest.Value) guest.Value { return p.Field("o").Field("k") }, `ok one("v")`},
		{"list", func(p guest.Value) guest.Value { return p.Field("a") }, `ok one("[1,\"x\"]")`},
		{"missing", func(p guest.Value) guest.Value { return p.Field("x").Field("y") }, `ok one(null)`},
		{"field of a text", func(p guest.Value) guest.Value { return p.Field("s").Field("y") }, `ok one(null)`},
		{"prefix of a key", func(p guest.Value) guest.Value { return p.Field("") }, `ok one(null)`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := one(t, func(v guest.Version, out *guest.Statements) error {
				out.Exec(1, test.get(v.Item(0).Payload()).Arg())
				return nil
			}, payload)
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestMembers(t *testing.T) {
	got := one(t, func(v guest.Version, out *guest.Statements) error {
		for key, member := range v.Item(0).Payload().Members {
			out.Exec(2, guest.Bytes(key), member.Arg())
			for _, element := range member.Members {
				out.Exec(1, element.Arg())
				break
			}
		}
		return nil
	}, `{"a":[[1,2],3],"b":"x"}`)
	if want := `ok two("a", "[[1,2],3]") one("[1,2]") two("b", "x")`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A value's JSON is the payload's own, whatever it is; nothing has none.
func TestJSON(t *testing.T) {
	for _, json := range []string{`"a\nb"`, `"\u0061"`, `""`, `"\\"`, `"x"`, `1.50`, `true`, `null`, `[1, "\u0062"]`, `{"a":{}}`} {
		got := one(t, func(v guest.Version, out *guest.Statements) error {
			value := v.Item(0).Payload().Field("v")
			out.Exec(2, value.JSONArg(), guest.Bytes(value.JSON()))
			return nil
		}, `{"w":"\u0077", "v" : `+json+` , "x":1}`)
		if want := fmt.Sprintf("ok two(%q, %q)", json, json); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	var nothing guest.Value
	if nothing.JSON() != nil || nothing.JSONArg() != guest.Null() {
		t.Error("nothing has JSON")
	}
}

func TestQuestionsToNothing(t *testing.T) {
	var nothing guest.Value
	if nothing.Exists() || nothing.IsNull() || nothing.IsString() || nothing.IsNumber() || nothing.Type() != 0 || nothing.Text() != nil {
		t.Errorf("nothing says that it is something: %+v", nothing)
	}
	for range nothing.Members {
		t.Error("nothing has a member")
	}
}

func TestArguments(t *testing.T) {
	got := one(t, func(v guest.Version, out *guest.Statements) error {
		out.Exec(2, guest.Null(), guest.Int(-1<<63))
		out.Exec(2, guest.String("s"), guest.String(""))
		out.Exec(2, v.Arg(), v.SafepointArg())
		out.Exec(2, v.XID(), v.Item(0).JSONArg())
		return nil
	}, `[1]`)
	want := `ok two(null, "-9223372036854775808") two("s", "") two("42", "41") two("5a0c2f6e-7c1b-4e2b-9a53-0d6f2f1b9e11", "[1]")`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestVersionsAreUnits(t *testing.T) {
	convert := func(v guest.Version, out *guest.Statements) error {
		for i := range v.Len() {
			switch p := v.Item(i).Payload(); string(p.Text()) {
			case "skip":
				return guest.Skip
			case "reject":
				return fmt.Errorf("wrapped: %w", guest.Reject(9, "item %d", v.Item(i).Index()))
			case "error":
				return errors.New("plain")
			default:
				out.Exec(1, p.Arg())
			}
		}
		return nil
	}
	items := func(payloads ...string) (list []guesttest.Item) {
		for _, p := range payloads {
			list = append(list, guesttest.Item{Action: "A", Payload: `"` + p + `"`})
		}
		return list
	}
	got := guesttest.Convert(t, guest.New(manifest, convert), items("1", "2"), items("3", "reject", "4"), items("5", "skip"), items("6"), items("error"), items("7", "8", "9"))
	want := []string{`ok one("1") one("2")`, `reject 9 item 1`, `skip`, `ok one("6")`, `reject 0 plain`, `ok one("7") one("8") one("9")`}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %s, want %s", got[i], want[i])
		}
	}
}

func TestVersionTellsOfItsCandidate(t *testing.T) {
	one(t, func(v guest.Version, _ *guest.Statements) error {
		if v.Number() != 42 || v.Safepoint() != 41 || v.Time() != 1759118825121907755 || string(v.Cohort()) != "cohort" || string(v.Agent()) != "agent" {
			t.Errorf("it is %d, %d, %d, %s, %s", v.Number(), v.Safepoint(), v.Time(), v.Cohort(), v.Agent())
		}
		if i := v.Item(0); string(i.Action()) != "A" || string(i.JSON()) != ` "x"` {
			t.Errorf("its item is %s %s", i.Action(), i.JSON())
		}
		return nil
	}, ` "x"`)
}

func TestProgramIsUsedAgain(t *testing.T) {
	p := guest.New(manifest, func(v guest.Version, out *guest.Statements) error {
		out.Exec(1, guest.String("made"))
		return nil
	})
	for range 3 {
		if got := guesttest.Convert(t, p, []guesttest.Item{{Action: "A", Payload: `1`}})[0]; got != `ok one("made")` {
			t.Fatalf("got %s", got)
		}
	}
	if got := guesttest.Convert(t, p); len(got) != 0 {
		t.Errorf("an empty frame gave %v", got)
	}
}

func TestRunRefusesWhatIsNoFrame(t *testing.T) {
	defer func() {
		var bad *abi.FrameError
		if err, ok := recover().(error); !ok || !errors.As(err, &bad) {
			t.Errorf("recovered %v, want a *FrameError", err)
		}
	}()
	guest.New(manifest, nil).Run(make([]byte, 64), 0, nil)
}
