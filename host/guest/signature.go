package guest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/ichor-replicator/ichor/abi"
)

// signature is the type of a function.
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

func (s signature) equal(d api.FunctionDefinition) bool {
	return slices.Equal(s.params, d.ParamTypes()) && slices.Equal(s.results, d.ResultTypes())
}

func (s signature) String() string { return typeText(s.params) + " → " + typeText(s.results) }

func typeText(types []api.ValueType) string {
	words := make([]string, len(types))
	for i, t := range types {
		words[i] = api.ValueTypeName(t)
	}
	return "(" + strings.Join(words, ", ") + ")"
}

// exported is one function of the contract.
type exported struct {
	name     string
	sig      signature
	optional bool
}

func exports() []exported {
	return []exported{
		{abi.ExportMarker, sig("", ""), false},
		{abi.ExportDescribe, sig("", "i64"), false},
		{abi.ExportAlloc, sig("i32", "i32"), false},
		{abi.ExportConvert, sig("i32 i32", "i64"), false},
		{abi.ExportInitialize, sig("", ""), true},
	}
}

// checkSignatures compares a module's imports and exports with the contract. How large its
// memory may be is a matter of the runtime, which refuses more when it compiles.
func checkSignatures(name string, m wazero.CompiledModule) error {
	refuse := func(what, hint string) error {
		return &LoadError{Guest: name, Step: StepSignatures, What: what, Hint: hint}
	}
	functions := m.ExportedFunctions()
	if _, command := functions[abi.ExportStart]; command {
		return refuse("it exports "+abi.ExportStart+": it is a command, not a reactor", "Go: -buildmode=c-shared; clang: -mexec-model=reactor")
	}
	for _, want := range exports() {
		got, found := functions[want.name]
		switch {
		case !found && want.optional:
		case !found:
			return refuse("export "+want.name+" is missing", "a guest exports "+exportNames())
		case !want.sig.equal(got):
			return refuse(fmt.Sprintf("export %s is %s → %s, want %s", want.name, typeText(got.ParamTypes()), typeText(got.ResultTypes()), want.sig), "")
		}
	}
	if err := checkImports(m, refuse); err != nil {
		return err
	}
	if _, found := m.ExportedMemories()[abi.ExportMemory]; !found {
		return refuse("export "+abi.ExportMemory+" is missing", "a guest exports its one memory by this name")
	}
	return nil
}

func exportNames() string {
	names := []string{abi.ExportMemory}
	for _, e := range exports() {
		if !e.optional {
			names = append(names, e.name)
		}
	}
	return strings.Join(names, ", ")
}

func checkImports(m wazero.CompiledModule, refuse func(what, hint string) error) error {
	if len(m.ImportedMemories()) > 0 {
		return refuse("it imports a memory", "define and export the memory; clang: drop --import-memory")
	}
	offered := hostFunctions()
	for _, f := range m.ImportedFunctions() {
		module, function, _ := f.Import()
		want, found := offered[hostName{module, function}]
		switch {
		case !found:
			return refuse(fmt.Sprintf("it imports %s.%s, which no host offers", module, function), "a guest has "+abi.ImportHost+".log, "+abi.ImportHost+".abort and a small part of "+abi.ImportWASI+": no files, no sockets, no environment")
		case !want.sig.equal(f):
			return refuse(fmt.Sprintf("it imports %s.%s as %s → %s, the host's is %s", module, function, typeText(f.ParamTypes()), typeText(f.ResultTypes()), want.sig), "")
		}
	}
	return nil
}
