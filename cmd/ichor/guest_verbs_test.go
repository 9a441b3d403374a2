package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/guests"
)

// ichor runs the command in a directory and returns what it says and its exit code.
func ichor(t *testing.T, dir, input string, words ...string) (out, problems string, code int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, words...)
	cmd.Env = append(os.Environ(), asIchor+"=1", "GOPROXY=off") // a project needs no network
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// TestAGuestFromNothing does what a newcomer does in an empty directory, in each language.
func TestAGuestFromNothing(t *testing.T) {
	for _, l := range guests.Languages() {
		t.Run(string(l), func(t *testing.T) {
			t.Parallel()
			if _, err := guests.FindCompiler(t.Context(), l, "."); err != nil && os.Getenv("CI") == "" {
				t.Skip(err)
			}
			dir := t.TempDir()
			does := func(input string, code int, words ...string) string {
				t.Helper()
				out, problems, got := ichor(t, dir, input, words...)
				if got != code {
					t.Fatalf("%v ended with %d, want %d\n%s%s", words, got, code, out, problems)
				}
				return out
			}
			does("", 0, "guest", "new", "--lang", string(l), "my-orders-2")
			if out := does("", 0, "guest", "build"); !strings.HasPrefix(out, "my-orders-2/my-orders-2.wasm\n") {
				t.Errorf("build says %s", out)
			}
			if out := does("", 0, "guest", "test"); !strings.Contains(out, "ok      alone") || !strings.Contains(out, "writes     greetings") || !strings.Contains(out, "a version of 20000 items: converted, 20000 statements") || strings.Contains(out, "broken") {
				t.Errorf("test says %s", out)
			}
			out := does(`[{"GREET":{"name":"O'Hara"}}] [{"GREET":{"name":7}}]`, 1, "guest", "convert", "--first", "7")
			for _, line := range []string{"version 7: converted", `$1 text = "O'Hara"`, `$2 bigint = "7"`, "version 8: rejected, guest_reject 1: item 0: name is not a string"} {
				if !strings.Contains(out, line) {
					t.Errorf("convert says %s, without %s", out, line)
				}
			}
		})
	}
}

// TestTheWorkedExample builds it in each language; its vectors and the kit say that all answer alike.
func TestTheWorkedExample(t *testing.T) {
	for _, l := range guests.Languages() {
		t.Run(string(l), func(t *testing.T) {
			t.Parallel()
			if _, err := guests.FindCompiler(t.Context(), l, "."); err != nil && os.Getenv("CI") == "" {
				t.Skip(err)
			}
			dir := t.TempDir()
			for _, words := range [][]string{{"new", "--worked", "--lang", string(l), "shop"}, {"build"}, {"test"}} {
				out, problems, code := ichor(t, dir, "", append([]string{"guest"}, words...)...)
				if code != 0 || words[0] == "test" && !strings.Contains(out, "a version of 20000 items: converted") {
					t.Fatalf("%v ended with %d\n%s%s", words, code, out, problems)
				}
			}
		})
	}
}

// TestAuthorsSettings: an author has no deployment; a file with guests alone says what a host
// would allow, named with -c or kept beside the module.
func TestAuthorsSettings(t *testing.T) {
	dir := t.TempDir()
	banking, err := os.ReadFile("../../examples/banking/guest/banking-c.wasm")
	if err != nil {
		t.Fatal(err)
	}
	put := func(file string, text []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("banking.wasm", banking)
	put("strict.yaml", []byte("guests: {sql: {relations: [public.other]}}\n"))
	put("wrong.yaml", []byte("guests: {limits: {item_statements: -1}}\n"))
	for _, test := range []struct {
		words []string
		code  int
		says  string
	}{
		{[]string{"inspect", "banking.wasm"}, 0, "64 statements an item"},
		{[]string{"inspect", "banking.wasm"}, 0, "contract   ichor_abi_v1, minor 0\n"},
		{[]string{"inspect", "banking.wasm", "-c", "strict.yaml"}, 1, "bank_accounts"},
		{[]string{"inspect", "banking.wasm", "-c", "wrong.yaml"}, 2, "guests.limits.item_statements"},
		{[]string{"test", "banking.wasm", "-c", "strict.yaml"}, 1, "broken  sql"},
	} {
		out, problems, code := ichor(t, dir, "", append([]string{"guest"}, test.words...)...)
		if code != test.code || !strings.Contains(out+problems, test.says) {
			t.Errorf("%v ended with %d and says %s%s, want %d, %q", test.words, code, out, problems, test.code, test.says)
		}
	}
	put("guests.policy.yaml", []byte("guests: {limits: {item_statements: 7}, cache_directory: /nowhere}\n"))
	if out, problems, code := ichor(t, dir, "", "guest", "inspect", "banking.wasm"); code != 0 || !strings.Contains(out, "7 statements an item") {
		t.Errorf("it ended with %d and says %s%s", code, out, problems)
	}
}

// TestAuthorsVerbsWithoutADirectory: nothing can be written, and they take longer, no more.
func TestAuthorsVerbsWithoutADirectory(t *testing.T) {
	banking, err := filepath.Abs("../../examples/banking/guest/banking-c.wasm")
	if err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(t.TempDir(), "a file")
	if err := os.WriteFile(none, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	for _, variable := range []string{"HOME", "XDG_CACHE_HOME", "TMPDIR"} {
		t.Setenv(variable, filepath.Join(none, "x"))
	}
	for verb, want := range map[string]string{"convert": "version 1: converted", "inspect": "banking", "test": "ok      start", "bench": "a statemap"} {
		words := []string{"guest", verb, banking}
		if verb == "bench" {
			words = append(words, "--for", "20ms")
		}
		out, problems, code := ichor(t, t.TempDir(), `[{"DEPOSIT":{"to":"a","amount":1}}]`, words...)
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("%s ended with %d and says %s%s", verb, code, out, problems)
		}
	}
}

func TestGuestVerbsAnswerInJSON(t *testing.T) {
	dir := t.TempDir()
	banking, err := filepath.Abs("../../examples/banking/guest/banking-c.wasm")
	if err != nil {
		t.Fatal(err)
	}
	statemap := `[{"DEPOSIT":{"to":"a","amount":1}}] [{"DEPOSIT":{}}]`
	for _, test := range []struct {
		words []string
		input string
		code  int
		want  map[string]any
	}{
		{[]string{"new", "--lang", "go", "hello"}, "", 0, map[string]any{"project": "hello", "language": "go"}},
		{[]string{"build"}, "", 0, map[string]any{"language": "go"}},
		{[]string{"inspect", banking}, "", 0, map[string]any{"name": "banking", "contract": "1.0", "input": "tokens", "vectors": 2.0}},
		{[]string{"test", banking}, "", 0, map[string]any{"conforms": true, "statements": 1.0}},
		{[]string{"test", "../nothing"}, "", 3, nil},
		{[]string{"test", "loops.wasm"}, "", 1, map[string]any{"conforms": false, "broken": "ends"}},
		{[]string{"convert", banking}, statemap, 1, nil},
		{[]string{"bench", banking, "--for", "20ms"}, "", 0, map[string]any{"batch": 64.0}},
	} {
		if test.words[0] == "test" && test.words[1] == "loops.wasm" {
			loops, err := os.ReadFile("../../host/guest/testdata/loops.wasm")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "loops.wasm"), loops, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out, problems, code := ichor(t, dir, test.input, append(append([]string{"guest"}, test.words...), "--json")...)
		if code != test.code {
			t.Errorf("%v ended with %d, want %d: %s", test.words, code, test.code, problems)
			continue
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(out), &got); err != nil && out != "" {
			t.Errorf("%v says %s: %v", test.words, out, err)
		}
		for key, value := range test.want {
			if got[key] != value {
				t.Errorf("%v says %q is %v, want %v", test.words, key, got[key], value)
			}
		}
		if test.words[0] == "convert" {
			if list, ok := got["versions"].([]any); !ok || len(list) != 2 || !strings.Contains(out, `"values":["a","1","1"]`) {
				t.Errorf("it says %s", out)
			}
		}
	}
}

func TestGuestVerbsSayWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	banking, err := filepath.Abs("../../examples/banking/guest/banking-c.wasm")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "in.json"), []byte("\n[{\"DEPOSIT\": {}}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cut.jsonl"), []byte("{\"offset\":1}\n{\"offset\":2,"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		words []string
		input string
		code  int
		says  string
	}{
		{[]string{"new", "--lang", "pascal", "hello"}, "", 2, `no language "pascal": there are go, rust, c, assemblyscript`},
		{[]string{"new", "--lang", "go", "Hello"}, "", 2, "small letters"},
		{[]string{"new", "hello"}, "", 2, "--lang=go|rust|c|assemblyscript"},
		{[]string{"build"}, "", 3, "ichor guest new"},
		{[]string{"inspect", "."}, "", 3, "ichor guest new"},
		{[]string{"inspect", "x.wasm"}, "", 3, "x.wasm"},
		{[]string{"convert", banking}, "", 2, "the standard input has no statemap: name a file"},
		{[]string{"convert", banking}, "{", 2, "the standard input: statemap 1 is no JSON"},
		{[]string{"convert", banking, "-s", "cut.jsonl"}, "", 2, "cut.jsonl: line 2, the last one: unexpected end of JSON input; was the file written to its end?"},
		{[]string{"convert", banking}, `[{"A":1,"B":2}]`, 2, "statemap is unreadable"},
		{[]string{"convert", banking}, `{}`, 2, "statemap 1: brackets forgotten?"},
		{[]string{"convert", banking}, `{"DEPOSIT":{"to":"a","amount":1}}`, 2, "statemap 1: brackets forgotten? A statemap is a list, [{…}]"},
		{[]string{"convert", banking}, `[] "DEPOSIT"`, 2, `statemap 2: it is neither a statemap, [{"ACTION": {}}], nor a candidate`},
		{[]string{"convert", banking, "-s", "x.json"}, "", 2, "x.json"},
		{[]string{"convert", "in.json"}, "", 2, "in.json is no module but JSON: statemaps are named with -s, as in ichor guest convert MODULE.wasm -s in.json"},
		{[]string{"bench", banking, "--batch", "0"}, "", 2, "more than nothing"},
		{[]string{"inspect", banking, "-c", "x.yaml"}, "", 2, "x.yaml"},
		{[]string{"inspect", banking, "-c", "/dev/zero"}, "", 2, "it is no file of settings, which have at most 1048576 bytes"},
	} {
		_, problems, code := ichor(t, dir, test.input, append([]string{"guest"}, test.words...)...)
		if code != test.code || !strings.Contains(problems, test.says) {
			t.Errorf("%v ended with %d, want %d, and says %q, want %q", test.words, code, test.code, problems, test.says)
		}
	}
	t.Setenv("ICHOR_RUSTC", filepath.Join(dir, "nothing"))
	if _, problems, code := ichor(t, dir, "", "guest", "new", "--lang", "rust", "hello"); code != 0 {
		t.Fatal(problems)
	}
	if _, problems, code := ichor(t, dir, "", "guest", "build"); code != 3 || !strings.Contains(problems, "rustup target add wasm32-unknown-unknown") {
		t.Errorf("without a compiler it ended with %d and says %s", code, problems)
	}
	if _, problems, code := ichor(t, dir, "", "guest", "test"); code != 3 || !strings.Contains(problems, "build it first") {
		t.Errorf("without a module it ended with %d and says %s", code, problems)
	}
}

// TestGuestTestSaysRemarksWhateverBreaks: what inspect remarks on, and no lines of a host's log.
func TestGuestTestSaysRemarksWhateverBreaks(t *testing.T) {
	loops, err := filepath.Abs("../../host/guest/testdata/loops.wasm")
	if err != nil {
		t.Fatal(err)
	}
	out, problems, code := ichor(t, t.TempDir(), "", "guest", "test", loops)
	if code != exitRuntime || problems != "ichor: the module does not conform; see above\n" {
		t.Errorf("exit code %d, and beside the report it says\n%s", code, problems)
	}
	if !strings.Contains(out, "broken  ends") || !strings.Contains(out, "\nremark  template 1 t: $1 has no cast: write $1::text,") {
		t.Errorf("it says\n%s", out)
	}
}

// TestWhatNewAdvisesWorks: also beside another project.
func TestWhatNewAdvisesWorks(t *testing.T) {
	dir, out := t.TempDir(), ""
	for _, name := range []string{"one", "two"} {
		var problems string
		var code int
		if out, problems, code = ichor(t, dir, "", "guest", "new", "--lang", "go", name); code != 0 {
			t.Fatal(problems)
		}
	}
	_, advice, _ := strings.Cut(strings.TrimSpace(out), "Next: ")
	commands, readme, _ := strings.Cut(advice, "; then ")
	if !exists(filepath.Join(dir, readme)) {
		t.Errorf("there is no %s", readme)
	}
	for command := range strings.SplitSeq(commands, ", ") {
		if out, problems, code := ichor(t, dir, "", strings.Fields(command)[1:]...); code != 0 || out == "" {
			t.Errorf("%s ends with %d: %s%s", command, code, out, problems)
		}
	}
}
