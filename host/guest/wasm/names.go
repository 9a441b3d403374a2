package wasm

// FunctionName is a name of the custom section "name".
type FunctionName struct {
	Function uint32
	Name     string
}

// functionNames is the number of the subsection that names functions.
const functionNames = 1

// FunctionNames reads the names of functions from the custom section "name". It returns
// false if they cannot be read, which is no fault of the module: names mean nothing to it.
func (m *Module) FunctionNames(s Section) (names []FunctionName, ok bool) {
	c := &cursor{b: m.Bytes[:s.End], at: s.At}
	c.name()
	for c.more() {
		id := c.byte()
		size := c.u32()
		end := c.at
		if c.bytes(size); c.err != nil {
			return nil, false
		}
		end += int(size)
		if id != functionNames {
			continue
		}
		inner := &cursor{b: m.Bytes[:end], at: end - int(size)}
		for range inner.count("names", maxFunctions) {
			n := FunctionName{Function: inner.u32(), Name: inner.name()}
			if inner.err != nil || len(names) > 0 && n.Function <= names[len(names)-1].Function {
				return nil, false
			}
			names = append(names, n)
		}
	}
	return names, c.err == nil
}
