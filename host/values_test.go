package host_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/rollout"
)

// words are what a text may say of a time that means another instant each time; the database takes
// them, and a guest's value must not.
var words = regexp.MustCompile(`(?i)^"(now|today|tomorrow|yesterday|now utc)"$`)

// Of values of every kind that are put into columns of every type in one backlog, the good ones are
// installed, and each bad one is held alone. testdata/values.txt.gz has a type and a JSON value in each line; what the
// database takes of them it says itself.
func TestEachBadValueIsHeldAlone(t *testing.T) {
	schema, err := os.ReadFile("testdata/values.sql")
	if err != nil {
		t.Fatal(err)
	}
	b := newBank(t, 1)
	b.exec(string(schema))
	b.exec("create schema oracle; set search_path to oracle")
	b.exec(string(schema))
	b.exec("set search_path to public")
	b.install("values", guesttest.Values(t))
	b.options.Guests.Routes = []rollout.Route{{Cohort: "*", Guest: "values"}}
	b.options.Core.PoisonBreaker = 1000

	first := b.send(message("Other", "the first position is no version")) + 1
	var messages []kafkatest.Message
	bad, tables := map[int]string{}, map[string]bool{}
	lines := valueLines(t)
	for _, line := range lines {
		action, value, _ := strings.Cut(line, "\t")
		table := strings.ToLower(action)
		tables[table] = true
		v := first + len(messages)
		messages = append(messages, candidate(v, fmt.Sprint("key", v), fmt.Sprintf(`[{%q:%s}]`, action, value)), commit(v, 0))
		deep := strings.HasPrefix(value, strings.Repeat("[", 100)) // nested over 128 with what is around it
		if !b.taken(table, value) || deep || (temporal[table] && words.MatchString(value)) {
			bad[v] = line
		}
	}
	b.send(messages...)
	b.start()
	installed := "select 0"
	for _, table := range slices.Sorted(maps.Keys(tables)) {
		installed += " union all select count(*) from " + table
	}
	b.eventually(fmt.Sprintf("(%d)", len(lines)), "select sum(n) from ("+installed+" union all select count(*) from ichor.quarantine where held) s(n)")
	for i, line := range lines {
		v := first + 2*i
		held := b.text("select count(*) from ichor.quarantine where held and version = $1", v) == "(1)"
		if _, want := bad[v]; held != want {
			t.Errorf("%.80s: held is %v, want %v: %s", line, held, want, b.text("select code, message from ichor.quarantine where version = $1", v))
		}
	}
	if good := len(lines) - len(bad); good < 60 || len(bad) < 40 {
		t.Errorf("%d good and %d bad values: that shows little", good, len(bad))
	}
}

// temporal are the tables whose column is a date or a time.
var temporal = map[string]bool{"t06": true, "t07": true, "t15": true, "t17": true}

// taken puts a value into the oracle's table as a guest would, and reports whether the database takes it.
func (b *bank) taken(table, value string) bool {
	b.t.Helper()
	var text string
	err := b.conn.QueryRow(b.t.Context(), "select coalesce($1::json #>> '{}', $2::text)", value, value).Scan(&text)
	if err != nil {
		return false // a NUL, or half a surrogate
	}
	var kind string
	if err := b.conn.QueryRow(b.t.Context(), "select format_type(atttypid, atttypmod) from pg_attribute where attrelid = $1::regclass and attname = 'v'", "oracle."+table).Scan(&kind); err != nil {
		b.t.Fatal(err)
	}
	_, err = b.conn.Exec(b.t.Context(), "insert into oracle."+table+" select "+quoted(text)+"::"+regexp.MustCompile(`\(.*?\)`).ReplaceAllString(strings.Replace(kind, "character(5)", "text", 1), ""))
	return err == nil
}

func quoted(text string) string {
	return "E'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}

func valueLines(t *testing.T) []string {
	t.Helper()
	file, err := os.Open("testdata/values.txt.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		// Some lines are cut short: no certifier takes them, and no host either.
		if _, value, _ := strings.Cut(scanner.Text(), "\t"); json.Valid([]byte(value)) {
			lines = append(lines, scanner.Text())
		}
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}
