package admin

import (
	"encoding/json"
	"net/http"
	"testing"
)

// TestTheQueryIsRead: what a path does not take, and a value that does not fit, is said with the name of the parameter
// and what it wants. The paths that programs ask take any.
func TestTheQueryIsRead(t *testing.T) {
	for _, c := range []struct{ path, want string }{
		{"/v1/requests?before=abc", `"before" is no parameter of this path: it takes limit`},
		{"/v1/requests?limit=1&Limit=1", `"Limit" is no parameter of this path: it takes limit`},
		{"/v1/requests?limit=1&limit=2", "limit is given twice: it wants a number from 0 to 10000"},
		{"/v1/requests?limit=1;2", `the query has "limit=1;2", which is no parameter: write NAME=VALUE, percent-encoded`},
		{"/v1/requests?limit=%zz", `the query has "limit=%zz", which is no parameter: write NAME=VALUE, percent-encoded`},
		{"/v1/requests?=1", `"" is no parameter of this path: it takes limit`},
		{"/v1/requests?limit=+1", `limit is " 1": it wants a number from 0 to 10000`},
		{"/v1/requests?&limit=1&", ""},
		{"/v1/audit?limit=10001", `limit is "10001": it wants a number from 0 to 10000`},
		{"/v1/guests?guest=bank", `"guest" is no parameter of this path: it takes limit`},
		{"/v1/samples?after_ns=now", `after_ns is "now": it wants an instant, in nanoseconds since the Unix epoch`},
		{"/v1/samples?after=1", `"after" is no parameter of this path: it takes after_ns`},
		{"/v1/journeys?xid=7", `xid is "7": it wants a UUID`},
		{"/v1/quarantine?ended=maybe", `ended is "maybe": it wants true or false`},
		{"/v1/quarantine?after=-1", `after is "-1": it wants a version, a number from 0 on`},
		{"/v1/quarantine?kind=", `kind is "": it wants a kind, as /v1/quarantine has it`},
		{"/v1/quarantine?reason=sql", `"reason" is no parameter of this path: it takes kind, code, ended, after, limit`},
		{"/v1/quarantine?kind=sql&code=23505&ended=true&after=3&limit=5", ""},
		{"/v1/quarantine/7?full=true", `"full" is no parameter of this path: it takes none`},
		{"/v1/requests/7?wait=5s", `"wait" is no parameter of this path: it takes none`},
		{"/v1/versions/7?x", `"x" is no parameter of this path: it takes none`},
		{"/v1/status?x=1", `"x" is no parameter of this path: it takes none`},
		{"/status?x=1", `"x" is no parameter of this path: it takes none`},
		{"/v1/me?x=1", `"x" is no parameter of this path: it takes none`},
		{"/readyz?at=1700000000", ""},
		{"/healthz?at=1700000000", ""},
		{"/metrics?at=1700000000", ""},
	} {
		answer, body := answered(nobody{}, http.MethodGet, c.path)
		var said struct {
			Error string `json:"error"`
		}
		if err := json.Unmarshal([]byte(body), &said); err != nil && c.want != "" {
			t.Errorf("%s: %v", c.path, err)
		}
		if (answer.StatusCode == http.StatusBadRequest) != (c.want != "") || said.Error != c.want {
			t.Errorf("%s: %d %s, want %q", c.path, answer.StatusCode, body, c.want)
		}
	}
}
