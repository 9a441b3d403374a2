package guest

import (
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest/wasm"
)

// signature is the type of a function of the contract.
type signature struct {
	params  []api.ValueType
	results []api.ValueType
}

func sig(params, results string) signature { return signature{valueTypes(params), valueTypes(results)} }

// valueTypes reads "i32 i64".
func valueTypes(text string) (types []api.ValueType) {
	for word := range strings.FieldsSeq(text) {
		switch word {
		case "i32":
			types = append(types, api.ValueTypeI32)
		case "i64":
			types = append(types, api.ValueTypeI64)
		}
	}
	return types
}

// declared returns the signature as a module would declare it: wazero has the numbers of
// the binary format.
func (s signature) declared() wasm.FuncType {
	return wasm.FuncType{Params: s.params, Results: s.results}
}

func (s signature) equal(t wasm.FuncType) bool { return s.declared().Equal(t) }

func (s signature) String() string { return typeText(s.declared()) }

// typeText writes "(i32, i32) → (i64)".
func typeText(t wasm.FuncType) string { return typeList(t.Params) + " → " + typeList(t.Results) }

func typeList(types []byte) string {
	words := make([]string, len(types))
	for i, t := range types {
		words[i] = wasm.ValueType(t).String()
	}
	return "(" + strings.Join(words, ", ") + ")"
}

// exported is one function of the contract.
type exported struct {
	name     string
	sig      signature
	optional bool
}

// contract returns the functions that a guest exports.
func contract() []exported {
	return []exported{
		{abi.ExportMarker, sig("", ""), false},
		{abi.ExportDescribe, sig("", "i64"), false},
		{abi.ExportAlloc, sig("i32", "i32"), false},
		{abi.ExportConvert, sig("i32 i32", "i64"), false},
		{abi.ExportInitialize, sig("", ""), true},
	}
}
