package installer_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/installer"
)

// The roles and rights of the runbook are enough to make the schema, to install and to operate, and no more.
func TestTheRightsOfTheRunbookAreEnough(t *testing.T) {
	text, err := os.ReadFile("../RUNBOOK.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 2 {
		t.Fatalf("the runbook has %d blocks of SQL", len(blocks))
	}
	b := newBase(t)
	mark := fmt.Sprintf("_%d", os.Getpid())
	database := strings.Trim(b.text("select current_database()"), "()")
	sql := func(block string) string {
		return strings.NewReplacer("ichor_migrate", "ichor_migrate"+mark, "ichor_apply", "ichor_apply"+mark, "database cohort", `database "`+database+`"`).Replace(block)
	}
	as := func(role string) *installer.Installer {
		in, err := installer.New(installer.Options{URL: strings.Replace(b.dsn, "user=postgres", "user="+role+mark, 1), Lanes: 1}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	t.Cleanup(func() {
		if _, err := b.conn.Exec(context.Background(), sql("drop owned by ichor_migrate, ichor_apply cascade; drop role ichor_migrate, ichor_apply")); err != nil {
			t.Error(err)
		}
	})
	b.exec(sql(blocks[0][1]))
	if err := as("ichor_migrate").Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.exec("set role ichor_migrate" + mark)
	b.exec(sql(blocks[1][1]))
	b.exec("reset role")
	b.exec(sql("grant select, insert, update on account to ichor_apply"))
	in := as("ichor_apply")
	if _, err := take(in, "", ""); err != nil {
		t.Fatal(err)
	}
	l := b.lane(in, 0)
	if err := install(l, frontier(0, 1, work(1, add, 1, 5))); err != nil {
		t.Fatal(err)
	}
	b.hold(l, "sql", 3)
	asked, err := in.AskHeld(t.Context(), installer.Request{Verb: "retry", Who: "me", Reason: "r"}, installer.Filter{Version: 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Respond(t.Context(), []installer.Answer{{Request: asked[0].ID}}); err != nil {
		t.Fatal(err)
	}
	if err := in.StoreModule(t.Context(), installer.Module{Guest: "bank", Digest: "d", Bytes: []byte{0}}); err != nil {
		t.Fatal(err)
	}
	if err := in.AddGuestEvents(t.Context(), installer.GuestEvent{Guest: "bank", Digest: "d", State: installer.GuestArmed, Who: "me"}); err != nil {
		t.Fatal(err)
	}
	for _, forbidden := range []string{"delete from ichor.ledger", "update public.cohort_snapshot set version = 9", "delete from ichor.audit", "drop table ichor.state"} {
		b.exec("set role ichor_apply" + mark)
		if _, err := b.conn.Exec(t.Context(), forbidden); err == nil {
			t.Errorf("the role that installs may: %s", forbidden)
		}
		b.exec("reset role")
	}
}

// Each query of the runbook is one that a server answers: a table, a column or a view that is called otherwise is found when it is needed.
func TestTheQueriesOfTheRunbookAreAnswered(t *testing.T) {
	text, err := os.ReadFile("../RUNBOOK.md")
	if err != nil {
		t.Fatal(err)
	}
	b := newBase(t)
	b.take(1)
	asked := map[string]bool{}
	for _, q := range regexp.MustCompile(`(?s)psql "\$DATABASE" -c "([^"]*)"`).FindAllStringSubmatch(string(text), -1) {
		query := strings.ReplaceAll(q[1], "PID", "0")
		if strings.HasPrefix(query, `\`) || asked[query] { // what is psql's own no server knows
			continue
		}
		asked[query] = true
		if _, err := b.conn.Exec(t.Context(), query); err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
	if len(asked) < 9 {
		t.Errorf("the runbook has %d queries: this test does not see what it should", len(asked))
	}
}
