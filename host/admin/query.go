package admin

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ichor-replicator/ichor/host/talos"
)

// parameter is one that the query of a path may have, once.
type parameter struct {
	name  string
	wants string // what its value must be, for people
	fits  func(string) bool
}

// The parameters of the queries of all paths.
var (
	limited  = parameter{"limit", "a number from 0 to " + strconv.Itoa(limitMost), parses(parseLimit)}
	afterNS  = parameter{"after_ns", "an instant, in nanoseconds since the Unix epoch", parses(parseInstant)}
	ofXID    = parameter{"xid", "a UUID", func(text string) bool { _, ok := talos.ParseXID(text); return ok }}
	ofKind   = parameter{"kind", "a kind, as /v1/quarantine has it", some}
	ofCode   = parameter{"code", "a code, as /v1/quarantine has it", some}
	ended    = parameter{"ended", "true or false", parses(parseTruth)}
	after    = parameter{"after", "a version, a number from 0 on", parses(parseVersion)}
	waited   = parameter{"wait", "a duration up to 30s, as 10s", parses(parseWait)}
	forced   = parameter{"force", "true or false", parses(parseTruth)}
	reasoned = parameter{"reason", "why, at most 1000 characters", func(string) bool { return true }} // checkReason says more
)

// parses makes a check of what reads a value.
func parses[T any](parse func(string) (T, error)) func(string) bool {
	return func(text string) bool { _, err := parse(text); return err == nil }
}

func some(text string) bool { return text != "" }

// checked answers what a query has that the path does not take, and values that do not fit; the handler reads a query
// that has neither. A word that nobody reads would be one that somebody relies on.
func checked(takes []parameter, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if wrong := wrongIn(r.URL.RawQuery, takes); wrong != "" {
			fail(w, http.StatusBadRequest, wrong)
			return
		}
		next(w, r)
	}
}

// wrongIn says what is wrong with a query; "" when nothing is.
func wrongIn(query string, takes []parameter) string {
	given := map[string]bool{}
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, value, err := unescaped(pair)
		if err != nil {
			return fmt.Sprintf("the query has %.40q, which is no parameter: write NAME=VALUE, percent-encoded", pair)
		}
		p := parameterOf(name, takes)
		switch {
		case p == nil && len(takes) == 0:
			return fmt.Sprintf("%.40q is no parameter of this path: it takes none", name)
		case p == nil:
			return fmt.Sprintf("%.40q is no parameter of this path: it takes %s", name, namesOf(takes))
		case given[name]:
			return name + " is given twice: it wants " + p.wants
		case !p.fits(value):
			return fmt.Sprintf("%s is %.40q: it wants %s", name, value, p.wants)
		}
		given[name] = true
	}
	return ""
}

// unescaped reads name and value of a pair as url.ParseQuery does, which takes no semicolon.
func unescaped(pair string) (name, value string, err error) {
	all, err := url.ParseQuery(pair)
	for name, values := range all {
		return name, values[0], err
	}
	return "", "", err
}

func parameterOf(name string, takes []parameter) *parameter {
	for i := range takes {
		if takes[i].name == name {
			return &takes[i]
		}
	}
	return nil
}

func namesOf(takes []parameter) string {
	names := make([]string, len(takes))
	for i := range takes {
		names[i] = takes[i].name
	}
	return strings.Join(names, ", ")
}

// The bounds of ?limit.
const (
	limitUsual = 100
	limitMost  = 10000
)

func parseLimit(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err == nil && (n < 0 || n > limitMost) {
		err = strconv.ErrRange
	}
	return n, err
}

func parseInstant(text string) (int64, error) { return strconv.ParseInt(text, 10, 64) }

func parseVersion(text string) (talos.Version, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	return talos.Version(n), err
}

// parseTruth takes the two words that openapi.yaml has, and not all that strconv.ParseBool does.
func parseTruth(text string) (bool, error) {
	if text != "true" && text != "false" {
		return false, strconv.ErrSyntax
	}
	return text == "true", nil
}

func parseWait(text string) (time.Duration, error) {
	wait, err := time.ParseDuration(text)
	if err == nil && (wait < 0 || wait > waitMost) {
		err = strconv.ErrRange
	}
	return wait, err
}

// valueOf reads a parameter of a query that was checked; otherwise where it is not given.
func valueOf[T any](r *http.Request, p parameter, parse func(string) (T, error), otherwise T) T {
	query := r.URL.Query()
	if !query.Has(p.name) {
		return otherwise
	}
	value, _ := parse(query.Get(p.name)) // it fits
	return value
}

// limit is how many are asked for.
func limit(r *http.Request) int { return valueOf(r, limited, parseLimit, limitUsual) }

// waiting is how long to wait.
func waiting(r *http.Request) time.Duration { return valueOf(r, waited, parseWait, 0) }
