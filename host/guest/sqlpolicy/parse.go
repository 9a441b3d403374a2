package sqlpolicy

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/wasilibs/go-pgquery/parser"
)

// broken is set when the parser has failed in a way that may have left its memory in disorder:
// whatever it said afterwards could be wrong.
var broken atomic.Bool

var (
	errBroken = errors.New("the parser failed on an earlier template: start again without that")
	errDeep   = errors.New("it is nested too deep or too long: say it in several templates")
)

// parse returns the tree of a statement as JSON. The parser is a WebAssembly module with a
// small stack: SQL that is nested too deep is refused before it; what ends it all the same ends all
// parsing in this process.
func parse(sql string) (tree string, err error) {
	if broken.Load() {
		return "", errBroken
	}
	if nesting(sql) > deepest {
		return "", errDeep
	}
	defer func() {
		if r := recover(); r != nil {
			broken.Store(true)
			err = fmt.Errorf("the parser failed: %.60v", r)
		}
	}()
	return parser.ParseToJSON(sql)
}
