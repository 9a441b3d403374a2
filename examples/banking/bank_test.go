package banking

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/installer/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestAccountNumbers(t *testing.T) {
	for i, want := range map[int]string{0: "0001", 998: "0999", 9998: "9999", 9999: "10000"} {
		if got := AccountNumber(i); got != want {
			t.Errorf("account %d is %s, want %s", i, got, want)
		}
	}
}

func TestBankOpensItsAccountsOnce(t *testing.T) {
	conn, err := pgx.Connect(t.Context(), pgtest.New(t).DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := Open(t.Context(), conn, AccountNumbers(3), 100_000); err != nil {
		t.Fatal(err)
	}
	var rows string
	err = conn.QueryRow(t.Context(), "select string_agg(b::text, ' ' order by number) from bank_accounts b").Scan(&rows)
	const want = `(0001,"account 0001",100000.00000,0) (0002,"account 0002",100000.00000,0) (0003,"account 0003",100000.00000,0)`
	if err != nil || rows != want {
		t.Errorf("the bank has %s, %v", rows, err)
	}
	if err := Open(t.Context(), conn, AccountNumbers(1), 1); err == nil {
		t.Error("an account was opened twice")
	}
}
