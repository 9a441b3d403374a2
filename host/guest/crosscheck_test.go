package guest

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/guest/fuel"
	"github.com/ichor-replicator/ichor/host/guest/wasm"
)

// TestCrossCheck gives the compiled side answers that are not the interpreter's, since no
// module is at hand that the compiler gets wrong.
func TestCrossCheck(t *testing.T) {
	binary, err := os.ReadFile("testdata/has_a_vector.wasm")
	if err != nil {
		t.Fatal(err)
	}
	module, err := wasm.Decode(binary)
	if err != nil {
		t.Fatal(err)
	}
	fueled, err := fuel.Rewrite(module)
	if err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(t.TempDir(), "cache")
	g, err := Load(context.Background(), "g", binary, Options{Instances: 1, CacheDir: cache}, slog.New(slog.DiscardHandler), NewMetrics(prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := g.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	wrong, err := g.checkVectors(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	wrong[0].Results[0].Statements[0].Args[0] = []byte("fixtura")
	err = g.crossCheck(context.Background(), fueled, wrong)
	if err == nil || !strings.Contains(err.Error(), `vector "v", version 7, compiled and interpreted, becomes two things`) {
		t.Errorf("two answers: %v", err)
	}
}
