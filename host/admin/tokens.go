package admin

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// Role is what a token may do.
type Role string

// The roles. RoleOperator and RoleDeployer read too, and neither is the other: who ships guests need not be one
// who skips versions.
const (
	RoleViewer   Role = "viewer"   // reads
	RoleOperator Role = "operator" // and asks about versions and the cohort: retry, skip, abandon, pause, resume, handover
	RoleDeployer Role = "deployer" // and about guests: module, rollback
)

// Bounds on a file of tokens.
const (
	tokenLeast  = 20 // characters of a token
	tokensMost  = 1000
	tokensBytes = 1 << 20
	nameMost    = 64
)

// holder is who has a token.
type holder struct {
	name  string
	roles []Role
	sum   [sha256.Size]byte // of the token
}

func (h *holder) may(r Role) bool {
	for _, has := range h.roles {
		if has == r || r == RoleViewer {
			return true
		}
	}
	return false
}

// Tokens are those of a file, which is read again when it changes: a token is taken as long as a good line of the file,
// as it is now, has it, so that one that is taken out is refused within a second, whatever is wrong beside it or with
// the whole file. They are safe for use by several goroutines.
//
// A line is a name, its roles with commas between them, and the token, or sha256: and the SHA-256 of the token in
// hexadecimal; # begins a comment.
type Tokens struct {
	path string
	log  *slog.Logger

	mu      sync.Mutex
	holders []holder
	looked  time.Time
	stamp   string // of the file that was read
	wrong   string // what is wrong with the file, as it was logged
}

// lookAgain is how often the file is looked at.
const lookAgain = time.Second

// ReadTokens reads a file of tokens. The error names the line that is wrong, never what stands in it.
func ReadTokens(path string, log *slog.Logger) (*Tokens, error) {
	t := &Tokens{path: path, log: log}
	if err := t.read(); err != nil {
		return nil, fmt.Errorf("http.tokens: %w", err)
	}
	return t, nil
}

// read takes the good lines of the file as it is now.
func (t *Tokens) read() error {
	t.holders, t.stamp = nil, ""
	info, err := os.Stat(t.path)
	if err != nil {
		return fmt.Errorf("%w: write a file with a line for each token, as in: alice operator 7f0c…", err)
	}
	if !info.Mode().IsRegular() || info.Size() > tokensBytes {
		return fmt.Errorf("%s is no file of tokens: it is no regular file of at most %d bytes", t.path, tokensBytes)
	}
	t.looked, t.stamp = time.Now(), stampOf(info)
	text, err := os.ReadFile(t.path)
	if err != nil {
		return err
	}
	if t.holders, err = parseTokens(text); err != nil {
		return fmt.Errorf("%s: %w", t.path, err)
	}
	return nil
}

// stampOf tells one content of a file from another, as far as that shows.
func stampOf(info os.FileInfo) string { return fmt.Sprint(info.Size(), info.ModTime().UnixNano()) }

// parseTokens returns what the good lines have, and the first thing that is wrong.
func parseTokens(text []byte) (holders []holder, wrong error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, tokensBytes)
	for number := 1; lines.Scan(); number++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		h, err := parseToken(fields)
		for i := range holders {
			if err == nil && holders[i].sum == h.sum {
				err = fmt.Errorf("it has the token of %s: give each name a token of its own", holders[i].name)
			}
		}
		if err == nil && len(holders) == tokensMost {
			err = fmt.Errorf("at most %d tokens are taken", tokensMost)
		}
		if err == nil {
			holders = append(holders, h)
		} else if wrong == nil {
			wrong = fmt.Errorf("line %d: %w", number, err)
		}
	}
	if wrong == nil {
		wrong = lines.Err()
	}
	if wrong == nil && len(holders) == 0 {
		wrong = fmt.Errorf("it has no token: write a line for each, as in: alice operator 7f0c…")
	}
	return holders, wrong
}

func parseToken(fields []string) (h holder, err error) {
	if len(fields) != 3 {
		return h, fmt.Errorf("it has %d words: write a name, its roles and the token, as in: alice operator,deployer 7f0c…", len(fields))
	}
	h.name = fields[0]
	if len(h.name) > nameMost || strings.ContainsFunc(h.name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return h, fmt.Errorf("the name is no text of at most %d characters", nameMost)
	}
	for text := range strings.SplitSeq(fields[1], ",") {
		switch r := Role(text); r {
		case RoleViewer, RoleOperator, RoleDeployer:
			h.roles = append(h.roles, r)
		default:
			return h, fmt.Errorf("the second word is no role, or roles with commas between them: they are %s, %s and %s", RoleViewer, RoleOperator, RoleDeployer)
		}
	}
	token, hashed := strings.CutPrefix(fields[2], "sha256:")
	if !hashed {
		if len(token) < tokenLeast {
			return h, fmt.Errorf("the token has %d characters, and one of fewer than %d can be guessed: make one with openssl rand -hex 32", len(token), tokenLeast)
		}
		h.sum = sha256.Sum256([]byte(token))
		return h, nil
	}
	sum, err := hex.DecodeString(token)
	if err != nil || len(sum) != sha256.Size {
		return h, fmt.Errorf("what follows sha256: is no SHA-256 in hexadecimal: make one with printf %%s TOKEN | sha256sum")
	}
	h.sum = [sha256.Size]byte(sum)
	return h, nil
}

// find returns who has a token; nil for nobody. How long that takes says nothing of the tokens.
func (t *Tokens) find(token string) (found *holder) {
	sum := sha256.Sum256([]byte(token))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refresh()
	for i := range t.holders {
		if subtle.ConstantTimeCompare(sum[:], t.holders[i].sum[:]) == 1 {
			found = &t.holders[i]
		}
	}
	return found
}

// refresh reads the file again when it has changed, and says what is wrong with it whenever that is something else.
func (t *Tokens) refresh() {
	if time.Since(t.looked) < lookAgain {
		return
	}
	t.looked = time.Now()
	if info, err := os.Stat(t.path); err == nil && stampOf(info) == t.stamp {
		return
	}
	err := t.read()
	switch {
	case err == nil:
		t.wrong = ""
		t.log.Info("the tokens were read again", "tokens", len(t.holders))
	case err.Error() != t.wrong:
		t.wrong = err.Error()
		t.log.Error("the file of tokens is wrong: nobody else than its good lines name has one", "tokens", len(t.holders), "error", err)
	}
}
