package guest

import (
	"fmt"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest/sqlpolicy"
)

const (
	statementBytes = 32 // of a Statement
	argumentBytes  = 24 // of a []byte
)

// keep copies the answer out of the guest's memory and gives each version its statements. It returns a *Fault, and
// copies nothing, if a statement is not one that the manifest allows.
func (g *Generation) keep(b *batch, out *abi.Output, results []Conversion) error {
	for _, u := range b.units {
		if err := out.CheckVersion(u.first, u.count, g.limits); err != nil {
			return badFrame(FaultBadFrame, err)
		}
	}
	if err := g.checkCalls(b, out); err != nil {
		return &Fault{Kind: FaultUndeclared, During: abi.ExportConvert, Detail: err.Error()}
	}
	k := keeper{out: out, values: g.rules.values, statements: make([]Statement, 0, out.Statements())}
	for _, u := range b.units {
		c := &results[u.record]
		if reject := k.version(c, u); reject != nil {
			g.reject(c, reject)
			continue
		}
		g.own.versions[c.Status].Inc()
	}
	return nil
}

// checkCalls compares every statement with the manifest. A version is converted as a whole,
// so its statements may use what any of its actions may.
func (g *Generation) checkCalls(b *batch, out *abi.Output) error {
	for _, u := range b.units {
		allowed := b.actions[u.first : u.first+u.count]
		for i := range allowed {
			a := out.Answer(u.first + i)
			for j := a.First; j < a.First+a.Count; j++ {
				if err := g.rules.check(allowed, out.Statement(j)); err != nil {
					return fmt.Errorf("record %d: %w", u.first+i, err)
				}
			}
		}
	}
	return nil
}

func (g *Generation) reject(c *Conversion, r *Reject) {
	c.Status, c.Statements, c.Reject, c.bytes = Rejected, nil, r, len(r.Message)
	g.own.versions[Rejected].Inc()
	g.own.reject(r.Class)
}

// keeper copies the answer of one batch. The statements of all its versions lie in one array; the values of each
// version lie apart from the others', for one that waits, behind a held version say, stays for long, and what it does
// not need must not stay with it.
type keeper struct {
	out        *abi.Output
	values     [][]sqlpolicy.Value // by template
	statements []Statement         // sized beforehand, so that appending never moves it
}

// version copies the statements of one version. The version is rejected if any of its items is, and
// skipped if all of them are; of one that is rejected nothing is copied.
func (k *keeper) version(c *Conversion, u unit) *Reject {
	c.Status = Skipped
	text, args := 0, 0
	for i := u.first; i < u.first+u.count; i++ {
		a := k.out.Answer(i)
		switch a.Status {
		case abi.StatusReject:
			return &Reject{Class: ClassGuest, Code: a.Code, Message: Clean(k.out.Bytes(a.Message))}
		case abi.StatusOK:
			c.Status = Converted
		}
		for j := a.First; j < a.First+a.Count; j++ {
			call := k.out.Statement(j)
			size, reject := k.check(call)
			if reject != nil {
				return reject
			}
			text, args = text+size, args+call.Count
		}
	}
	first := len(k.statements)
	own := values{text: make([]byte, 0, text), args: make([][]byte, 0, args)}
	for i := u.first; i < u.first+u.count; i++ {
		a := k.out.Answer(i)
		for j := a.First; j < a.First+a.Count; j++ {
			call := k.out.Statement(j)
			k.statements = append(k.statements, Statement{call.Template, own.of(k.out, call)})
		}
	}
	c.Statements = k.statements[first:len(k.statements):len(k.statements)]
	c.bytes = text + argumentBytes*args + statementBytes*len(c.Statements)
	return nil
}

// check returns the bytes of a statement's values, or why one of them must not reach the database.
func (k *keeper) check(call abi.Call) (size int, reject *Reject) {
	checks := k.values[call.Template]
	for i := call.First; i < call.First+call.Count; i++ {
		value, null := k.out.Argument(i)
		if null {
			continue
		}
		if why := checks[i-call.First](value); why != "" {
			return 0, &Reject{Class: ClassValue, Message: fmt.Sprintf("template %d, parameter %d: %s", call.Template, i-call.First+1, why)}
		}
		size += len(value)
	}
	return size, nil
}

// values are those of one version, in arrays that are sized beforehand.
type values struct {
	text []byte
	args [][]byte
}

// of copies the values of a statement.
func (v *values) of(out *abi.Output, call abi.Call) [][]byte {
	first := len(v.args)
	for i := call.First; i < call.First+call.Count; i++ {
		value, null := out.Argument(i)
		if null {
			v.args = append(v.args, nil)
			continue
		}
		at := len(v.text)
		v.text = append(v.text, value...)
		v.args = append(v.args, v.text[at:len(v.text):len(v.text)])
	}
	return v.args[first:len(v.args):len(v.args)]
}
