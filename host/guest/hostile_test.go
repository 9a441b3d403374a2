package guest_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest"
)

// fixture reads a guest of testdata; each is named by its deed, and its text stands
// beside it.
func fixture(tb testing.TB, name string) []byte {
	tb.Helper()
	wasm, err := os.ReadFile(filepath.Join("testdata", name+".wasm"))
	if err != nil {
		tb.Fatal(err)
	}
	return wasm
}

func TestLoadRefuses(t *testing.T) {
	tests := []struct {
		deed string
		step guest.Step
		says string
	}{
		{"lacks_convert", guest.StepScan, "export ichor_convert is missing"},
		{"lacks_the_marker", guest.StepScan, "export ichor_abi_v1 is missing"},
		{"speaks_another_contract", guest.StepScan, "export ichor_abi_v1 is missing"},
		{"lacks_memory", guest.StepScan, "export memory is missing"},
		{"has_a_wrong_signature", guest.StepScan, "export ichor_alloc is (i64) → (i32), want (i32) → (i32)"},
		{"imports_a_socket", guest.StepScan, "it imports wasi_snapshot_preview1.sock_accept, which no host offers"},
		{"imports_with_a_wrong_signature", guest.StepScan, "it imports ichor_v1.log as (i32) → (), the host's is (i32, i32, i32) → ()"},
		{"imports_a_memory", guest.StepScan, "it imports a memory"},
		{"imports_a_global", guest.StepScan, "it imports a global, env."},
		{"has_a_start_section", guest.StepScan, "start section"},
		{"is_a_command", guest.StepScan, "it exports _start: it is a command"},
		{"needs_too_much_memory", guest.StepScan, "it begins with 4000 pages of memory, the limit is 1024 pages of 64 KiB"},
		{"returns_the_wrong_type", guest.StepCompile, "it is not a valid module"},
		{"fails_to_initialize", guest.StepInstantiate, "guest fault trap in _initialize"},
		{"describes_out_of_range", guest.StepDescribe, "lies outside the memory"},
		{"describes_at_length", guest.StepDescribe, "at most 1048576 are allowed"},
		{"describes_deeply", guest.StepDescribe, "its manifest is refused"},
		{"describes_rubbish", guest.StepDescribe, "its manifest is refused"},
		{"declares_a_commit", guest.StepSQL, "its SQL is refused: template 1 t: 2 statements (one template, one statement)"},
		{"fails_on_the_empty_batch", guest.StepVectors, "guest fault trap in ichor_convert"},
	}
	for _, test := range tests {
		t.Run(test.deed, func(t *testing.T) {
			_, err := load(t, "hostile", fixture(t, test.deed), guest.Options{Instances: 1})
			checkLoadError(t, err, test.step, test.says)
		})
	}
}

func checkLoadError(t *testing.T, err error, step guest.Step, says string) {
	t.Helper()
	var refused *guest.LoadError
	if !errors.As(err, &refused) {
		t.Fatalf("got %v, want a *LoadError", err)
	}
	if refused.Step != step || refused.Guest != "hostile" {
		t.Errorf("refused at %s as %s, want %s", refused.Step, refused.Guest, step)
	}
	if !strings.Contains(err.Error(), says) {
		t.Errorf("it says %q, want %q in it", err, says)
	}
}

func TestLoadRefusesBytesThatAreNoModule(t *testing.T) {
	good := fixture(t, "answers_once")
	tests := []struct {
		name string
		wasm []byte
		step guest.Step
		says string
	}{
		{"empty", nil, guest.StepScan, "the file is empty"},
		{"text", []byte("(module)"), guest.StepScan, "not a WebAssembly binary"},
		{"short", []byte("\x00as"), guest.StepScan, "not a WebAssembly binary"},
		{"component", []byte("\x00asm\x0d\x00\x01\x00"), guest.StepScan, "it is a component"},
		{"version", []byte("\x00asm\x02\x00\x00\x00"), guest.StepScan, "binary version 2, want 1"},
		{"cut", good[:len(good)-5], guest.StepScan, "bytes are said to follow"},
		{"large", make([]byte, abi.MaxModule+1), guest.StepScan, "at most 16777216 are allowed"},
		{"more", append(append([]byte(nil), good...), 11, 3, 0xff, 0xff, 0xff), guest.StepScan, "a section stands twice or out of order"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := load(t, "hostile", test.wasm, guest.Options{Instances: 1})
			checkLoadError(t, err, test.step, test.says)
		})
	}
}

// TestFaults calls guests whose every answer is wrong: the version is rejected, the fault
// says what it was, and the generation lives on.
func TestFaults(t *testing.T) {
	tests := []struct {
		deed string
		kind guest.FaultKind
		says string
	}{
		{"traps", guest.FaultTrap, "unreachable"},
		{"answers_in_part_and_traps", guest.FaultTrap, "unreachable"},
		{"divides_by_zero", guest.FaultTrap, "divide by zero"},
		{"calls_itself_without_end", guest.FaultTrap, "stack overflow"},
		{"loops", guest.FaultFuel, "of 20500000 units: its fuel is spent (guests.fuel.call, guests.fuel.item)"},
		{"fills_its_memory_at_once", guest.FaultFuel, "a single operation costs too much"},
		{"exits", guest.FaultExit, "proc_exit(7)"},
		{"aborts", guest.FaultAbort, `"name"`},
		{"logs_out_of_range", guest.FaultBounds, "outside the memory"},
		{"writes_out_of_range", guest.FaultBounds, "outside the memory"},
		{"returns_nothing", guest.FaultRefused, "it returned no frame"},
		{"returns_a_pointer_out_of_range", guest.FaultBounds, "lies outside the memory"},
		{"returns_a_negative_pointer", guest.FaultBounds, "lies outside the memory"},
		{"returns_a_huge_length", guest.FaultBounds, "lies outside the memory"},
		{"answers_with_an_unknown_status", guest.FaultBadFrame, "unknown status 9"},
		{"answers_with_a_bad_magic", guest.FaultBadFrame, "magic: 0x00000001"},
		{"answers_for_too_many", guest.FaultBadFrame, "2 answers for 1 records"},
		{"counts_statements_beyond_the_frame", guest.FaultBadFrame, "table ends behind the frame"},
		{"uses_a_statement_that_is_not_there", guest.FaultBadFrame, "1, but records use 2"},
		{"skips_with_a_statement", guest.FaultBadFrame, "statements beside status skip"},
		{"references_out_of_range", guest.FaultBadFrame, "lies outside the memory"},
		{"answers_with_65_statements", guest.FaultBadFrame, "65 statements for the 1 items of its version, at most 64 are allowed"},
		{"refers_to_the_same_bytes_again_and_again", guest.FaultBadFrame, "name more than 65536 bytes"},
		{"references_too_much", guest.FaultBadFrame, "name more than 65536 bytes"},
		{"sets_reserved_bits", guest.FaultBadFrame, "reserved flags are not zero"},
		{"has_a_message_out_of_range", guest.FaultBadFrame, "outside the memory"},
		{"refuses_room", guest.FaultMemory, "no room for an input"},
		{"offers_room_out_of_range", guest.FaultBounds, "lies outside the memory"},
		{"offers_unaligned_room", guest.FaultBounds, "not aligned"},
	}
	for _, test := range tests {
		t.Run(test.deed, func(t *testing.T) {
			options := guest.Options{Instances: 1, ArgumentBytes: 1 << 16}
			g := mustLoad(t, "hostile", fixture(t, test.deed), options)
			for range 2 { // the second call meets a fresh instance
				c := convert(t, g, record(42, item("A", `1`)))[0]
				if c.Status != guest.Rejected || c.Reject.Class != guest.ClassFault {
					t.Fatalf("got %s, want a guest_fault", say(&c))
				}
				if f := c.Reject.Fault; f.Kind != test.kind || !strings.Contains(f.Detail, test.says) {
					t.Errorf("fault is %s %q, want %s with %q", f.Kind, f.Detail, test.kind, test.says)
				}
			}
		})
	}
}

func TestAnswersOfOneRecord(t *testing.T) {
	tests := []struct{ deed, want string }{
		{"answers_once", `converted 1["fixture"]`},
		{"rejects", `rejected guest_reject 5: fixture`},
		{"calls_its_own_alloc", `converted 1["fixture"]`},
		{"works_for_a_while", `converted 1["fixture"]`},
		{"describes_itself_anew", `converted 1["d"]`},
		{"answers_for_all", `converted 1["d"]`},
		{"counts_its_records", `converted 1["b"]`},
		{"answers_with_the_clock", `converted 1["j"]`},
		{"answers_with_chance", `converted 1["o"]`},
		{"reads_rows_of_one_length", `converted 1["k"]`},
		{"answers_with_a_nul", `rejected value: template 1, parameter 1: the value has a NUL, which Postgres cannot store`},
		{"answers_with_broken_utf8", `rejected value: template 1, parameter 1: the value is no valid UTF-8`},
	}
	for _, test := range tests {
		t.Run(test.deed, func(t *testing.T) {
			g := mustLoad(t, "fixture", fixture(t, test.deed), guest.Options{Instances: 1})
			if got := say(&convert(t, g, record(42, item("A", `1`)))[0]); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// TestLoopEndsWithItsContext checks that the caller's own end is not blamed on the guest.
func TestLoopEndsWithItsContext(t *testing.T) {
	g := mustLoad(t, "hostile", fixture(t, "loops"), guest.Options{Instances: 1, FuelCall: 1 << 40})
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	var into guest.Conversions
	err := g.Convert(ctx, []guest.Record{record(1, item("A", `1`))}, &into)
	if !errors.Is(err, context.DeadlineExceeded) || into.Results != nil {
		t.Errorf("got %v and %d results, want the context's error and none", err, len(into.Results))
	}
}

// TestGuestThatFailsLater passes every look at it. When it fails, the versions of that call are
// converted by a fresh instance, and nothing is rejected.
func TestGuestThatFailsLater(t *testing.T) {
	g := mustLoad(t, "hostile", fixture(t, "fails_later"), guest.Options{Instances: 1, BatchTime: 1e9, BatchMax: 64})
	records := make([]guest.Record, 600)
	for i := range records {
		records[i] = record(1+i, item("A", `1`))
	}
	var into guest.Conversions
	if err := g.Convert(t.Context(), records, &into); err != nil {
		t.Fatal(err)
	}
	for i := range into.Results {
		if got := say(&into.Results[i]); got != `converted 1["a"]` {
			t.Fatalf("version %d became %s", into.Results[i].Version, got)
		}
	}
	if into.Faults < 5 {
		t.Errorf("%d calls failed, want one for each hundred versions", into.Faults)
	}
}

func TestEveryFixtureIsTested(t *testing.T) {
	source, err := readTests()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/*.wasm")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".wasm")
		if !strings.Contains(string(source), `"`+name+`"`) {
			t.Errorf("no test loads %s", name)
		}
		if _, err := os.Stat(strings.TrimSuffix(f, ".wasm") + ".wat"); err != nil {
			t.Errorf("%s has no text beside it", name)
		}
	}
}

// readTests returns the text of this package's tests.
func readTests() (all []byte, err error) {
	for _, name := range []string{"convert_test.go", "hostcalls_test.go", "hostile_test.go", "load_test.go", "soak_test.go", "stop_test.go"} {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		all = append(all, text...)
	}
	return all, nil
}
