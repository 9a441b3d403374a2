package conform

// Clause is one rule of the contract.
type Clause struct {
	ID   string // a stable word
	Rule string // as ABI.md says it
}

// The clauses, in the order in which they are checked.
var (
	format     = Clause{"format", "A guest is a WebAssembly core module (32-bit memory, WebAssembly 2.0 without threads)"}
	start      = Clause{"start", "A start section is refused."}
	numbers    = Clause{"numbers", "A host refuses at load what no program is"}
	memory     = Clause{"memory", "the module's own, not imported, not shared"}
	imports    = Clause{"imports", "Whatever is not here is refused at load, by name; so is another type."}
	exports    = Clause{"exports", "Signatures are compared exactly when a guest is loaded."}
	fueled     = Clause{"fuel", "it adds one function import, one global and a few locals, which no index of the module's own may name."}
	valid      = Clause{"valid", "A host refuses a module that breaks a rule at load"}
	initialize = Clause{"initialize", "optional; called once, before all others"}
	describe   = Clause{"describe", "the manifest, packed"}
	manifest   = Clause{"manifest", "What `ichor_describe` returns: one JSON object in UTF-8."}
	sql        = Clause{"sql", "A template is one INSERT, UPDATE, DELETE or MERGE"}
	empty      = Clause{"empty", "A frame may have no record; its answer has none then."}
	vectors    = Clause{"vectors", "The host converts them whenever it loads the guest, and refuses a guest that answers otherwise."}
	alloc      = Clause{"alloc", "an address divisible by 8, valid until alloc is called again; 0 refuses"}
	convert    = Clause{"convert", "converts the frame at ptr; the output frame, packed, valid until the guest is called again; 0 is a fault"}
	frame      = Clause{"frame", "Tables and the blob lie behind the header, within the total"}
	answers    = Clause{"answers", "The answer to the input record of the same index."}
	statements = Clause{"statements", "an id of the manifest that one of the version's actions may use"}
	values     = Clause{"values", "Values are in Postgres's text format."}
	ends       = Clause{"ends", "stops a call that takes more than the host allows"}
	faults     = Clause{"faults", "one that breaks it in a call commits a *fault*"}
	stride     = Clause{"stride", "a reader steps by stride and reads the fields that it knows"}
	constant   = Clause{"constant", "What `ichor_describe` returns must be the same whenever it is called."}
	alone      = Clause{"alone", "What a version becomes must depend on that version alone."}
)

// Clauses returns all of them, in the order in which they are checked.
func Clauses() []Clause {
	return []Clause{
		format, start, numbers, memory, imports, exports, fueled, valid, initialize, describe, manifest, sql, empty, vectors,
		alloc, convert, frame, answers, statements, values, ends, faults, constant, stride, alone,
	}
}
