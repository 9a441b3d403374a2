package conform_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/talos/recording"
)

// kept are modules of earlier contracts, by their files: they are never built anew, and every host of the same
// revision must run them and make of the same batch what they made of it when they were kept. A minor
// that adds something gets a directory of its own beside, with modules that use it.
var kept = []struct{ file, digest, contract string }{
	{"v1.0/banking-go.wasm.gz", "aa18bf73eccbc8c7b9acecc6822620cbcfd230b18478f2f6f51dd761ae9f2119", "1.0"},
	{"v1.0/banking-rust.wasm", "f7048fa3300f9b75d3a83e1e4fde7784127518cbd8b3d9842c7f8b5c4044355f", "1.0"},
	{"v1.0/banking-c.wasm", "cbb87d705b9db2b4c6cc03133e5a0e512eebfd24c37b2d14d8f96257bfdbf4e1", "1.0"},
	{"v1.0/banking-assemblyscript.wasm", "433ae7bbfa74da869ffbd660a5e9815cd3698bc2e06ea548f9274a7005cbe90f", "1.0"},
}

// unpacked reads a file of the tests' data, also one that is packed by gzip.
func unpacked(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", file))
	if err == nil && strings.HasSuffix(file, ".gz") {
		var reader *gzip.Reader
		if reader, err = gzip.NewReader(bytes.NewReader(content)); err == nil {
			content, err = io.ReadAll(reader)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// batch is what the modules were given when they were kept: forty recorded candidates, and others in which
// much is missing, odd or wrong.
func batch(t *testing.T) (records []guest.Record) {
	t.Helper()
	err := recording.Read(bytes.NewReader(unpacked(t, "v1.0/batch.jsonl.gz")), func(r *recording.Record) error {
		var c talos.Candidate
		if err := talos.DecodeCandidate(talos.Version(r.Position), r.Value, &c); err != nil {
			return err
		}
		records = append(records, guest.Record{
			Version: c.Version, Safepoint: c.Version - 1, Time: c.PublishedAt, XID: c.XID, Cohort: c.Cohort, Agent: c.Agent, Items: c.Items,
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// TestModulesOfEarlierContractsRun loads each kept module as a host does, with scan, vectors and
// cross check, has it convert the batch, from frames of today and from wider ones as a later minor has them, and
// compares with what it made of it when it was kept.
func TestModulesOfEarlierContractsRun(t *testing.T) {
	want := strings.TrimSuffix(string(unpacked(t, "v1.0/conversions.txt")), "\n")
	records := batch(t)
	for _, k := range kept {
		t.Run(k.file, func(t *testing.T) {
			module := unpacked(t, k.file)
			if is := guest.DigestOf(module).String(); is != k.digest {
				t.Fatalf("it is another module, of digest %s: what is kept is never changed", is)
			}
			for _, padding := range []int{0, 16} {
				o := options(t)
				o.Guest.CacheDir, o.Guest.Padding, o.Guest.Instances = guesttest.CacheDir(t), padding, 1
				g, err := guest.Load(t.Context(), "banking", module, o.Guest, o.Log, o.Metrics)
				if err != nil {
					t.Fatal(err)
				}
				defer g.Close(t.Context())
				if m := g.Manifest(); g.Contract() != k.contract || m.Name != "banking" || m.Version != "1.0.0" || len(m.Templates) != 4 || len(m.Vectors) != 2 {
					t.Errorf("it speaks %s and is %+v", g.Contract(), m)
				}
				var into guest.Conversions
				if err := g.Convert(t.Context(), records, &into); err != nil {
					t.Fatal(err)
				}
				var lines []string
				for i := range into.Results {
					lines = append(lines, said(&into.Results[i]))
				}
				sameLines(t, lines, strings.Split(want, "\n"))
			}
		})
	}
}

// said writes a conversion as conversions.txt does.
func said(c *guest.Conversion) string {
	text := fmt.Sprintf("%d %s", c.Version, c.Status)
	if c.Reject != nil {
		text += " " + c.Reject.Error()
	}
	for _, s := range c.Statements {
		text += fmt.Sprintf(" %d%q", s.Template, s.Args)
	}
	return text
}

func sameLines(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d versions, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("it makes another thing of a version than when it was kept:\ngot  %s\nwant %s", got[i], want[i])
		}
	}
}
