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

// keep copies the answer out of the guest's memory and gives each version its statements. It makes
// three allocations for the whole batch. It returns a *Fault, and copies nothing, if a statement is not
// one that the manifest allows.
func (g *Generation) keep(b *batch, out *abi.Output, results []Conversion) error {
	for _, u := range b.units {
		if err := out.CheckVersion(u.first, u.count, g.limits); err != nil {
			return badFrame(FaultBadFrame, err)
		}
	}
	if err := g.checkCalls(b, out); err != nil {
		return &Fault{Kind: FaultUndeclared, During: abi.ExportConvert, Detail: err.Error()}
	}
	k := keeper{
		out:        out,
		values:     g.rules.values,
		text:       make([]byte, 0, out.Referenced),
		statements: make([]Statement, 0, out.Statements()),
		args:       make([][]byte, 0, out.Arguments()),
	}
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

// keeper copies the answer of one batch into storage that is sized beforehand, so that appending never
// moves it.
type keeper struct {
	out        *abi.Output
	values     [][]sqlpolicy.Value // by template
	text       []byte
	statements []Statement
	args       [][]byte
}

// version copies the statements of one version. The version is rejected if any of its items is, and
// skipped if all of them are.
func (k *keeper) version(c *Conversion, u unit) *Reject {
	first, textFirst, argsFirst := len(k.statements), len(k.text), len(k.args)
	c.Status = Skipped
	for i := u.first; i < u.first+u.count; i++ {
		a := k.out.Answer(i)
		switch a.Status {
		case abi.StatusReject:
			return &Reject{Class: ClassGuest, Code: a.Code, Message: Clean(k.out.Bytes(a.Message))}
		case abi.StatusOK:
			c.Status = Converted
		}
		for j := a.First; j < a.First+a.Count; j++ {
			if reject := k.statement(k.out.Statement(j)); reject != nil {
				return reject
			}
		}
	}
	c.Statements = k.statements[first:len(k.statements):len(k.statements)]
	c.bytes = len(k.text) - textFirst + argumentBytes*(len(k.args)-argsFirst) + statementBytes*len(c.Statements)
	return nil
}

func (k *keeper) statement(call abi.Call) *Reject {
	first, checks := len(k.args), k.values[call.Template]
	for i := call.First; i < call.First+call.Count; i++ {
		value, null := k.out.Argument(i)
		if null {
			k.args = append(k.args, nil)
			continue
		}
		if why := checks[i-call.First](value); why != "" {
			return &Reject{Class: ClassValue, Message: fmt.Sprintf("template %d, parameter %d: %s", call.Template, i-call.First+1, why)}
		}
		at := len(k.text)
		k.text = append(k.text, value...)
		k.args = append(k.args, k.text[at:len(k.text):len(k.text)])
	}
	k.statements = append(k.statements, Statement{call.Template, k.args[first:len(k.args):len(k.args)]})
	return nil
}
