package conform_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/guests"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/conform"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
)

func run(t *testing.T, path string) *conform.Report {
	t.Helper()
	module, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return runModule(t, module)
}

func runModule(t *testing.T, module []byte) *conform.Report {
	t.Helper()
	report, err := conform.Run(t.Context(), "guest", module, options(t))
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func options(t *testing.T) conform.Options {
	return conform.Options{
		Guest: guest.Options{CacheDir: filepath.Join(t.TempDir(), "cache"), FuelStart: 50_000_000, FuelCall: 5_000_000},
		Log:   slog.New(slog.DiscardHandler), Metrics: guest.NewMetrics(prometheus.NewRegistry()),
	}
}

func TestClausesStandInThePage(t *testing.T) {
	page, err := os.ReadFile("../../../abi/ABI.md")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, c := range conform.Clauses() {
		if !strings.Contains(string(page), c.Rule) {
			t.Errorf("ABI.md does not say what %s says: %s", c.ID, c.Rule)
		}
		if slices.Contains(ids, c.ID) {
			t.Errorf("%s stands twice", c.ID)
		}
		ids = append(ids, c.ID)
	}
}

func TestKitsConform(t *testing.T) {
	for _, language := range guests.Languages() {
		t.Run(string(language), func(t *testing.T) {
			r := runModule(t, guesttest.BankingIn(t, language))
			if r.Broken != nil {
				t.Fatal(r.Broken)
			}
			if len(r.Kept) != len(conform.Clauses()) || r.Manifest.Name != "banking" || r.Fuel == 0 || r.Statements != 1 {
				t.Errorf("%d clauses, %+v", len(r.Kept), r)
			}
			if r.Statuses[guest.Converted] < 5 || r.Statuses[guest.Rejected] < 50 || r.Statuses[guest.Converted]+r.Statuses[guest.Rejected] != r.Versions {
				t.Errorf("%d versions became %v", r.Versions, r.Statuses)
			}
		})
	}
}

// TestSizes shows what an untouched scaffold met at its 65th item: 64 statements of a version.
func TestSizes(t *testing.T) {
	r := run(t, "../testdata/answers_for_all.wasm")
	if r.Broken != nil || len(r.Sizes) != 4 {
		t.Fatalf("%v, %+v", r.Broken, r.Sizes)
	}
	for i, n := range []int{1, 65, 1000, 20_000} {
		if s := r.Sizes[i]; s.Items != n || s.Statements != n || s.Status != guest.Converted || s.Fuel == 0 {
			t.Errorf("a version of %d items: %+v", n, s)
		}
	}
	if r := run(t, "../testdata/takes_three_records.wasm"); r.Broken != nil || len(r.Sizes) != 1 {
		t.Errorf("%v, %+v", r.Broken, r.Sizes)
	}
}

// An answer for many items that is over a limit which settings move breaks no clause.
func TestAnAnswerThatIsTooLargeForTheSettings(t *testing.T) {
	module, err := os.ReadFile("../testdata/answers_for_all.wasm")
	if err != nil {
		t.Fatal(err)
	}
	o := options(t)
	o.Guest.OutputBytes = 256 << 10
	r, err := conform.Run(t.Context(), "guest", module, o)
	if err != nil || r.Broken != nil || len(r.Sizes) != 4 {
		t.Fatalf("%v, %v", err, r)
	}
	if s := r.Sizes[3]; s.Over != "guests.limits.output" || s.Became() != "too_large" || r.Sizes[2].Over != "" || r.Sizes[2].Became() != "converted" {
		t.Errorf("%+v", r.Sizes)
	}
}

// breaks says which clause each of the host's fixtures breaks; their names are their deeds.
var breaks = map[string]string{
	"aborts":                                   "faults",
	"answers_for_too_many":                     "answers",
	"answers_in_part_and_traps":                "faults",
	"answers_once":                             "alloc", // of a large payload
	"answers_with_65_statements":               "answers",
	"answers_with_a_bad_magic":                 "frame",
	"answers_with_a_nul":                       "values",
	"answers_with_an_unknown_status":           "answers",
	"answers_with_broken_utf8":                 "values",
	"answers_with_chance":                      "alone",
	"answers_with_the_clock":                   "alone",
	"calls_a_tree_of_2_to_the_45":              "ends",
	"calls_its_own_alloc":                      "alloc", // of a large payload
	"calls_itself_without_end":                 "faults",
	"copies_its_memory_without_end":            "ends",
	"counts_its_records":                       "alone",
	"counts_statements_beyond_the_frame":       "frame",
	"declares_a_commit":                        "sql",
	"describes_at_length":                      "describe",
	"describes_deeply":                         "manifest",
	"describes_itself_anew":                    "constant",
	"describes_out_of_range":                   "describe",
	"describes_rubbish":                        "manifest",
	"divides_by_zero":                          "faults",
	"exits":                                    "faults",
	"fails_on_the_empty_batch":                 "empty",
	"fails_later":                              "answers",
	"fails_to_initialize":                      "initialize",
	"fills_its_memory_at_once":                 "ends",
	"fills_its_memory_without_end":             "ends",
	"grows_a_table_without_end":                "ends",
	"grows_its_tables_with_every_call":         "ends",
	"grows_without_end":                        "ends",
	"has_a_message_out_of_range":               "answers",
	"has_a_rejected_vector":                    "alloc", // of a large payload
	"has_a_start_section":                      "start",
	"has_a_vector":                             "alloc", // of a large payload
	"has_a_wrong_signature":                    "exports",
	"imports_a_global":                         "imports",
	"imports_a_memory":                         "imports",
	"imports_a_socket":                         "imports",
	"imports_with_a_wrong_signature":           "imports",
	"is_a_command":                             "exports",
	"lacks_convert":                            "exports",
	"lacks_memory":                             "exports",
	"lacks_the_marker":                         "exports",
	"logs_out_of_range":                        "faults",
	"loops":                                    "ends",
	"loops_in_alloc":                           "ends",
	"loops_in_describe":                        "describe",
	"loops_in_initialize":                      "initialize",
	"needs_too_much_memory":                    "memory",
	"offers_room_out_of_range":                 "alloc",
	"offers_unaligned_room":                    "alloc",
	"reads_rows_of_one_length":                 "stride",
	"references_out_of_range":                  "values",
	"references_too_much":                      "values",
	"refers_to_the_same_bytes_again_and_again": "values",
	"refers_to_a_function_with_every_call":     "alloc", // of a large payload
	"refuses_room":                             "alloc",
	"rejects":                                  "alloc", // of a large payload
	"returns_a_huge_length":                    "convert",
	"returns_a_negative_pointer":               "convert",
	"returns_a_pointer_out_of_range":           "convert",
	"returns_nothing":                          "convert",
	"returns_the_wrong_type":                   "valid",
	"sets_reserved_bits":                       "values",
	"skips_with_a_statement":                   "answers",
	"speaks_another_contract":                  "exports",
	"traps":                                    "faults",
	"uses_a_statement_that_is_not_there":       "frame",
	"works_for_a_while":                        "alloc", // of a large payload
	"writes_newlines_to_fd1":                   "ends",
	"writes_out_of_range":                      "faults",
	"answers_for_all":                          "",
	"takes_three_records":                      "",
}

func TestFixturesBreakTheirClause(t *testing.T) {
	files, err := filepath.Glob("../testdata/*.wasm")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, file := range files {
		deed := strings.TrimSuffix(filepath.Base(file), ".wasm")
		t.Run(deed, func(t *testing.T) {
			want, known := breaks[deed]
			if !known {
				t.Fatal("the table does not have it")
			}
			got := ""
			r := run(t, file)
			if r.Broken != nil {
				got = r.Broken.Clause.ID
				t.Log(r.Broken)
			}
			if got != want {
				t.Errorf("it breaks %q, want %q", got, want)
			}
		})
	}
}

// TestOrderOfAMapIsFound: Go goes through a map in another order each time, so a guest that takes
// what comes first is found by converting the same again.
func TestOrderOfAMapIsFound(t *testing.T) {
	r, err := conform.Run(t.Context(), "order", guesttest.Order(t), options(t))
	if err != nil {
		t.Fatal(err)
	}
	if r.Broken == nil || r.Broken.Clause.ID != "alone" {
		t.Errorf("it breaks %v, want the clause alone", r.Broken)
	}
}

func TestRunSaysWhatIsNotTheModulesFault(t *testing.T) {
	bad := options(t)
	bad.Guest.BatchMax = -1
	if _, err := conform.Run(t.Context(), "guest", nil, bad); err == nil || !strings.Contains(err.Error(), "BatchMax") {
		t.Errorf("bad options: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	module := guesttest.BankingIn(t, guests.C)
	if _, err := conform.Run(ctx, "guest", module, options(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
}
