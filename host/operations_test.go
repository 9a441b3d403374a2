package host_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/admin"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/rollout"
)

// tokenOfTests is of somebody who may do everything.
const tokenOfTests = "a-token-of-the-tests-alone"

// takesChanges gives the bank's hosts a file of tokens.
func (b *bank) takesChanges() {
	b.t.Helper()
	b.options.HTTP.Tokens = filepath.Join(b.t.TempDir(), "tokens")
	if err := os.WriteFile(b.options.HTTP.Tokens, []byte("ann operator,deployer "+tokenOfTests+"\n"), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// sends asks the host for something by its API, and returns the status and the text of the answer.
func (r *running) sends(method, path, kind string, body []byte, header ...string) (int, string) {
	r.b.t.Helper()
	request, err := http.NewRequest(method, "http://"+r.Address()+path, bytes.NewReader(body))
	if err != nil {
		r.b.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+tokenOfTests)
	request.Header.Set("Content-Type", kind)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		r.b.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		r.b.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// asks sends a change with a reason; it must be answered with that status.
func (r *running) asks(path string, code int, want string, header ...string) {
	r.b.t.Helper()
	got, text := r.sends(http.MethodPost, path, "application/json", []byte(`{"reason":"a test"}`), header...)
	if got != code || !strings.Contains(text, want) {
		r.b.t.Fatalf("%s: %d %s, want %d %s\n%s", path, got, text, code, want, r.b.log.text())
	}
}

// uploads sends a module.
func (r *running) uploads(module []byte, code int, want string) {
	r.b.t.Helper()
	got, text := r.sends(http.MethodPost, "/v1/guests/banking/module?wait=20s&reason="+url.QueryEscape("a test"), "application/wasm", module)
	if got != code || !strings.Contains(text, want) {
		r.b.t.Fatalf("%d %s, want %d %s\n%s", got, text, code, want, r.b.log.text())
	}
}

// A module that is sent to a host takes the place of the one before, also for the next host and although the file
// is another; one that is none changes nothing.
func TestAModuleIsUploaded(t *testing.T) {
	b := newBank(t, 10)
	b.takesChanges()
	r := b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	next := stamped(guesttest.Small(t), 1)
	digest := guest.DigestOf(next).String()
	r.uploads(next[:len(next)/2], 409, "nothing was changed")
	b.eventually("(refused,ann)", "select state, who from ichor.guest_event where digest = $1", guest.DigestOf(next[:len(next)/2]).String())
	b.eventually("(0)", "select count(*) from ichor.request")
	b.eventually("(1)", "select count(*) from ichor.guest_module")
	r.uploads(next, 200, `"verb":"deploy","guest":"banking","digest":"`+digest+`","who":"ann","reason":"a test"`)
	b.reaches(b.pay(5, "0001", "0002"))
	b.eventually("("+digest+")", "select digest from ichor.guest_history order by from_version desc limit 1")
	b.eventually(`(received,ann,"a test")`, "select state, who, reason from ichor.guest_event where digest = $1 order by id limit 1", digest)
	b.eventually(`(armed,ann,"a test")`, "select state, who, reason from ichor.guest_event where digest = $1 and state = 'armed'", digest)
	r.uploads(next, 409, "converts by "+digest[:12]+" already")
	if err := r.drain(); err != nil {
		t.Fatal(err)
	}
	r = b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	b.eventually("("+digest+")", "select digest from ichor.guest_history order by from_version desc limit 1")
	// The file was passed over. Another module that is refused, or taken back, does not make it wanted again.
	third := stamped(guesttest.Small(t), 2)
	r.uploads(third, 200, `"outcome":"done`)
	r.asks("/v1/guests/banking/rollback?wait=20s", 200, `"outcome":"done`, "If-Match", `"`+guest.DigestOf(third).String()+`"`)
	r.asks("/v1/guests/banking/rollback", 412, digest, "If-Match", `"`+guest.DigestOf(third).String()+`"`)
	b.reaches(b.pay(5, "0001", "0002"))
	b.eventually("("+digest+")", "select digest from ichor.guest_history order by from_version desc limit 1")
}

// With guests.shadow a module that is sent is compared first, whatever the file is; its request ends with that.
func TestAnUploadedModuleIsComparedFirst(t *testing.T) {
	b := newBank(t, 20)
	b.takesChanges()
	b.options.Guests.Shadow = rollout.Shadow{Versions: 20}
	r := b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	same, changed := stamped(guesttest.Small(t), 1), guesttest.Changed(t)
	upload := func(module []byte) {
		t.Helper()
		if code, text := r.sends(http.MethodPost, "/v1/guests/banking/module?reason=a+test", "application/wasm", module); code != 202 {
			t.Fatalf("%d %s", code, text)
		}
		b.eventually("(shadow)", "select state from ichor.guest_event where digest = $1 and state = 'shadow'", guest.DigestOf(module).String())
	}
	upload(same)
	b.eventually("(t,f)", "select taken_at is not null, ended_at is not null from ichor.request")
	b.reaches(b.pay(30, "0001", "0002"))
	b.converts(guest.DigestOf(same).String())
	b.eventually("(t)", "select outcome like 'done%' from ichor.request")
	upload(changed)
	b.reaches(b.pay(30, "0016", "0002"))
	b.eventually("(t)", "select outcome like 'refused: %in shadow 20 of 20 versions differ%' from ichor.request order by id desc limit 1")
	b.eventually("(ann)", "select who from ichor.guest_event where digest = $1 and state = 'refused'", guest.DigestOf(changed).String())
	upload(stamped(guesttest.Small(t), 3))
	upload(stamped(guesttest.Small(t), 4))
	b.eventually("(t)", "select outcome like 'refused: another module came%' from ichor.request where digest = $1", guest.DigestOf(stamped(guesttest.Small(t), 3)).String())
}

// Everything of the quarantine and the cohort goes by the API as by the commands, also by a host that stands by.
func TestOperatorsAskByTheAPI(t *testing.T) {
	b := newBank(t, 10)
	b.takesChanges()
	r := b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	poison := b.send(message("Other", "a position")) + 1
	b.send(candidate(poison, "0001", `[{"TRANSFER":{"from":"0001","to":"0002","amount":"no number"}}]`), commit(poison, 0))
	b.eventually("(t)", "select held from ichor.quarantine where version = $1", poison)
	code, text := r.sends(http.MethodGet, fmt.Sprintf("/v1/quarantine/%d", poison), "", nil)
	if code != 200 || !strings.Contains(text, `"statemap":[{"TRANSFER":`) || !strings.Contains(text, `"status":"rejected"`) || !strings.Contains(text, `"skip":"it settles without effects`) {
		t.Errorf("%d %s", code, text)
	}
	_, hash, _ := strings.Cut(text, `"hash":"`)
	hash, _, _ = strings.Cut(hash, `"`)
	r.asks(fmt.Sprintf("/v1/quarantine/%d/skip", poison), 428, "If-Match")
	r.asks(fmt.Sprintf("/v1/quarantine/%d/skip", poison), 412, hash, "If-Match", `"000000000000"`)
	r.asks("/v1/pause?wait=20s", 200, `"taken_at"`)
	r.asks("/v1/pause", 409, "it is paused already, by ann: a test")
	pause := strings.Trim(b.text("select id from ichor.request where verb = 'pause'"), "()")
	hosttest.Until(t, func() bool {
		_, text = r.sends(http.MethodGet, "/v1/status", "", nil)
		return strings.Contains(text, `"pause":{"request":`+pause+`,"who":"ann"`)
	}, func() string { return text })
	r.asks("/v1/resume", 412, "request "+pause, "If-Match", `"1`+pause+`"`)
	r.asks("/v1/resume?wait=20s", 200, `"outcome":"done"`, "If-Match", `"`+pause+`"`)
	r.asks(fmt.Sprintf("/v1/quarantine/%d/skip?wait=20s", poison), 200, `"outcome":"done"`, "If-Match", `"`+hash+`"`)
	b.eventually("(ann)", "select who from ichor.audit where deed like 'skip version %'")
	code, text = r.sends(http.MethodGet, "/v1/audit?limit=1", "", nil)
	if code != 200 || !strings.Contains(text, `"who":"ann","deed":"skip version`) {
		t.Errorf("%d %s", code, text)
	}
	b.reaches(b.pay(5, "0001", "0002"))
	hosttest.Until(t, func() bool {
		_, text = r.sends(http.MethodGet, "/v1/samples", "", nil)
		return strings.Contains(text, `"snapshot":`)
	}, func() string { return text })
	code, text = r.sends(http.MethodGet, "/v1/journeys?limit=1", "", nil)
	var journeys admin.Journeys
	if err := json.Unmarshal([]byte(text), &journeys); code != 200 || err != nil || len(journeys.Recent) != 1 {
		t.Fatalf("%v: %d %s", err, code, text)
	}
	// The guest's instructions are counted, so that a version has never cost nothing, nor what a call may burn at most.
	if d := journeys.Recent[0].Details; d == nil || d.Cohort != "c" || !strings.HasPrefix(d.XID, "00000000-0000-4000-8000-") ||
		d.Statements != 1 || !slices.Equal(d.Templates, []string{"transfer"}) || d.Fuel < 100 || d.Fuel > 1e6 {
		t.Errorf("%s", text)
	}
	standby := b.start()
	hosttest.Until(t, func() bool {
		_, text = standby.sends(http.MethodGet, "/readyz", "", nil)
		return strings.Contains(text, `"standby"`)
	}, func() string { return text })
	standby.asks("/v1/guests/banking/rollback", 412, guest.DigestOf(guesttest.Small(t)).String(), "If-Match", `"00"`)
	standby.asks("/v1/handover?wait=20s", 200, `"outcome":"done"`)
}

// What is asked for is a row, with who and why, before anything changes, and outlives the host that wrote it down. The
// audit has it with what became of it, in the transaction that ends it. A paused host shows that: it settles nothing.
func TestWhatIsAskedForIsWrittenDownFirst(t *testing.T) {
	b := newBank(t, 3)
	b.takesChanges()
	r := b.start()
	b.reaches(b.pay(1, "0001", "0002"))
	poison := b.send(message("Other", "a position")) + 1
	b.send(candidate(poison, "0001", `[{"NOTHING":{}}]`), commit(poison, 0))
	b.eventually("(t)", "select held from ichor.quarantine where version = $1", poison)
	_, text := r.sends(http.MethodGet, fmt.Sprintf("/v1/quarantine/%d", poison), "", nil)
	_, hash, _ := strings.Cut(text, `"hash":"`)
	hash, _, _ = strings.Cut(hash, `"`)
	r.asks("/v1/pause?wait=20s", 200, `"taken_at"`)
	code, text := r.sends(http.MethodPost, fmt.Sprintf("/v1/quarantine/%d/skip", poison), "application/json", []byte(`{"reason":"it is wrong"}`), "If-Match", `"`+hash+`"`)
	var answer admin.Requests
	if err := json.Unmarshal([]byte(text), &answer); code != 202 || err != nil || len(answer.Requests) != 1 {
		t.Fatalf("%v: %d %s", err, code, text)
	}
	const request, changed = `select verb, version, who, reason, ended_at is not null from ichor.request where id = $1`,
		`select q.held, s.version >= q.version, (select count(*) from ichor.audit where deed like 'skip%') from ichor.quarantine q, cohort_snapshot s`
	stands := func() {
		t.Helper()
		if got, want := b.text(request, answer.Requests[0].ID), fmt.Sprintf(`(skip,%d,ann,"it is wrong",f)`, poison); got != want {
			t.Errorf("the request is %s, want %s", got, want)
		}
		if got := b.text(changed); got != "(t,f,0)" {
			t.Errorf("held, passed and audited are %s", got)
		}
	}
	stands()
	b.eventually("(t)", "select taken_at is not null from ichor.request where id = $1", answer.Requests[0].ID)
	stands()
	if err := r.drain(); err != nil {
		t.Fatal(err)
	}
	stands()
	r = b.start()
	r.shows("/readyz", `"reason":"paused"`) // it begins, which takes what it takes
	stands()
	r.asks("/v1/resume?wait=20s", 200, `"outcome":"done"`)
	b.eventually("(f,t,1)", changed)
	b.eventually(`(ann,"it is wrong",t)`, "select a.who, a.reason, a.at = r.ended_at from ichor.audit a, ichor.request r where a.deed like 'skip%' and r.id = $1", answer.Requests[0].ID)
}

// schemathesis is the program that sends what openapi.yaml allows, and what it does not.
var schemathesis = flag.String("schemathesis", "", "the program schemathesis, to hold a host's answers against openapi.yaml")

// TestTheAnswersAreThoseOfTheOpenAPIFile asks a host for whatever the file allows, and for what it does not, when
// the program for that is given (make api).
func TestTheAnswersAreThoseOfTheOpenAPIFile(t *testing.T) {
	b := newBank(t, 10)
	b.takesChanges()
	r := b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	if code, text := r.sends(http.MethodGet, "/v1/openapi.yaml", "", nil); code != 200 || !strings.HasPrefix(text, "openapi: 3.") {
		t.Fatalf("%d %.100s", code, text)
	}
	if *schemathesis == "" {
		return
	}
	file, err := filepath.Abs("admin/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// A handover would leave the cohort with nobody, a pause makes /readyz say 503, and a module is no text that it
	// could make up. What it holds valid may still be refused: no text says that a hash must be the right one.
	command := exec.Command(*schemathesis, "run", "--url", "http://"+r.Address(), "-H", "Authorization: Bearer "+tokenOfTests, "--max-examples", "40",
		"--exclude-path-regex", "handover|module|readyz", "--exclude-checks", "positive_data_acceptance", "--request-timeout", "60", "--continue-on-failure", "--no-color", "--seed", "1", "--generation-deterministic", file)
	command.Dir = t.TempDir() // it leaves files there
	if text, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, text, b.log.text())
	}
}
