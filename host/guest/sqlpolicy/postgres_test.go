package sqlpolicy

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/installer/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func connect(t *testing.T) *pgx.Conn {
	t.Helper()
	db := pgtest.New(t)
	conn, err := pgx.Connect(context.Background(), db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return conn
}

// TestTypesAgainstPostgres looks for types that are written wrong. The functions are compared
// with a server by the tests of package installer.
func TestTypesAgainstPostgres(t *testing.T) {
	conn := connect(t)
	for name := range types {
		if _, err := conn.Exec(context.Background(), `select null::pg_catalog."`+name+`"`); err != nil {
			t.Errorf("type %s: %v", name, err)
		}
	}
}

// TestValuesAgainstPostgres sends values to a server: it must refuse every one that is refused here,
// and of booleans and JSON it must take every one that passes.
func TestValuesAgainstPostgres(t *testing.T) {
	conn := connect(t)
	r := rand.New(rand.NewPCG(1, 2))
	exact := map[string]bool{"boolean": true, "jsonb": true}
	pieces := map[string][]string{
		"smallint":         {"-", "+", "0", "1", "32767", "32768", "9", " ", ".", "_"},
		"integer":          {"-", "+", "0", "1", "2147483647", "2147483648", " ", "e"},
		"bigint":           {"-", "+", "0", "9", "922337203685477580", "7", "8", " "},
		"numeric":          {"-", "+", ".", "e", "E", "0", "1", "9", "25", "400", "NaN", " ", "inf"},
		"double precision": {"-", "+", ".", "e", "0", "1", "25", "NaN", "Infinity", " "},
		"boolean":          {"t", "f", "true", "on", "of", "f", "1", "0", "y", "es", "no", " "},
		"uuid":             {"5a0c2f6e-7c1b-4e2b-9a53-0d6f2f1b9e11", "5A0C2F6E-7C1B", "-4e2b-9a53-0d6f2f1b9e11", "-", "g"},
		"jsonb":            {"{", "}", "[", "]", `"a"`, ":", ",", "1", "-", "e", `"\u00e9"`, `"\u0000"`, `"\ud83d\ude00"`, `"\ud83d"`, "null", "tru", "e", " "},
	}
	for _, kind := range slices.Sorted(maps.Keys(pieces)) {
		check := Values([]string{kind})[0]
		passed, refused := 0, 0
		for range 1500 {
			var b strings.Builder
			for range 1 + r.IntN(7) {
				b.WriteString(pieces[kind][r.IntN(len(pieces[kind]))])
			}
			v := b.String()
			ours := check([]byte(v))
			var taken bool
			err := conn.PgConn().ExecParams(context.Background(), "select $1::"+kind, [][]byte{[]byte(v)}, nil, nil, nil).Read().Err
			taken = err == nil
			switch {
			case ours == "" && !taken && exact[kind]:
				t.Errorf("%s %q passes and Postgres says %v", kind, v, err)
			case ours != "" && taken:
				t.Errorf("%s %q is refused (%s) and Postgres takes it", kind, v, ours)
			case ours == "":
				passed++
			default:
				refused++
			}
		}
		if passed < 30 || refused < 10 {
			t.Errorf("%s: only %d of 1500 values passed, %d were refused", kind, passed, refused)
		}
	}
}
