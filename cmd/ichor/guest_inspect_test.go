package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/guest"
)

// named are passes that remember only by which name they were asked.
type named struct{ check string }

// Passed implements guest.Passes.
func (n *named) Passed(_ context.Context, check string) (bool, error) {
	n.check = check
	return true, nil
}

// KeepPassed implements guest.Passes.
func (*named) KeepPassed(context.Context, string, string, string) error { return nil }

// checkOf returns the name of the check of a module under these options: a hash of all that its outcome depends on.
func checkOf(t *testing.T, module []byte, o guest.Options) string {
	t.Helper()
	asked := &named{}
	o.Passes, o.Instances = asked, 1
	g, err := guest.Load(t.Context(), "banking", module, o, slog.New(slog.DiscardHandler), guest.NewMetrics(prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Close(context.Background()); err != nil {
		t.Error(err)
	}
	return asked.check
}

// flat returns the fields of options that a check is named by, those of its SQL policy beside the others.
func flat(t *testing.T, o guest.Options) map[string]any {
	t.Helper()
	o.Fill()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]any{}
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	for name, value := range fields["SQL"].(map[string]any) {
		fields["SQL."+name] = value
	}
	delete(fields, "SQL")
	return fields
}

// TestInspectChecksByTheSettingsOfAHost: with the same file, whose limits and SQL policy are none of the defaults, inspect
// and the host differ in one thing alone, that no database is given the SQL after inspect, which must judge it all. So
// what inspect found is nothing that a host may take for its own check, and it leaves nothing of it in the database.
func TestInspectChecksByTheSettingsOfAHost(t *testing.T) {
	module := smallGuest(t, 0)
	d := deploySmall(t, 1, module, "memory: 32MiB", "fuel: {start: 100000001, call: 10000001, item: 400001}",
		"limits: {input: 8MiB, output: 2MiB, values: 8MiB, item_statements: 63, version_statements: 4095, versions: 100}",
		"sql: {relations: [public.bank_accounts], functions: [public.elsewhere], types: [public.elsewhere], unbounded: true}")
	d.set("init: true", `init: true, search_path: "public"`)
	s, err := readSettings(d.settings)
	if err != nil {
		t.Fatal(err)
	}
	o, err := s.options()
	if err != nil {
		t.Fatal(err)
	}
	host := o.Guests.Limits
	m, err := withModule{Path: filepath.Join(d.guests, "banking.wasm"), Settings: d.settings}.read()
	if err != nil {
		t.Fatal(err)
	}
	author := m.options

	usual, fields := flat(t, guest.Options{}), flat(t, host)
	for _, name := range []string{"Instances", "CacheDir", "BatchTime", "LogLine", "LogCall", "LogRate", "Padding"} { // no setting moves them
		delete(fields, name)
	}
	for name, value := range fields {
		if reflect.DeepEqual(value, usual[name]) {
			t.Errorf("%s is %v, as by default: this shows nothing of it", name, value)
		}
	}

	d.exec("delete from ichor.guest_check") // of other tests
	if code, out := d.ichor("guest", "inspect", filepath.Join(d.guests, "banking.wasm"), "-c", d.settings); code != exitOK {
		t.Fatal(out)
	}
	kept := func() (name string) {
		t.Helper()
		if err := d.conn.QueryRow(t.Context(), "select coalesce(string_agg(name, ' '), '') from ichor.guest_check").Scan(&name); err != nil {
			t.Fatal(err)
		}
		return name
	}
	if got := kept(); got != "" {
		t.Errorf("after inspect the database has the check %s", got)
	}
	p := d.begin("run", "-c", d.settings)
	d.ready(p)
	p.signal(syscall.SIGTERM)
	if code, out := p.wait(); code != exitOK {
		t.Fatal(out)
	}
	check := kept()
	if want := checkOf(t, module, host); check != want {
		t.Errorf("the host keeps the check %s, by its settings it is %s", check, want)
	}
	if checkOf(t, module, author) == check {
		t.Error("what inspect checks has the name of a check after which a database is given the SQL")
	}
	author.SQL.Database = true
	if checkOf(t, module, author) != check {
		t.Errorf("inspect checks by %+v, the host by %+v", flat(t, author), flat(t, host))
	}
}
