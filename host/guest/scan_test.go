package guest_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest"
)

// section frames the contents of a section.
func section(id byte, contents ...string) string {
	all := strings.Join(contents, "")
	return string(binary.AppendUvarint([]byte{id}, uint64(len(all)))) + all
}

func leb(n int) string { return string(binary.AppendUvarint(nil, uint64(n))) }

// function makes a module of one function, () → (), and a memory.
func function(body string) []byte {
	return []byte("\x00asm\x01\x00\x00\x00" + section(1, "\x01\x60\x00\x00") + section(3, "\x01\x00") + section(5, "\x01\x00\x01") +
		section(7, "\x05", "\x06memory\x02\x00", "\x0cichor_abi_v1\x00\x00", "\x01a\x00\x00", "\x01b\x00\x00", "\x01c\x00\x00") +
		section(10, "\x01", leb(len(body)), body))
}

// functions makes a module of so many functions with one body.
func functions(n int, body string) []byte {
	return []byte("\x00asm\x01\x00\x00\x00" + section(1, "\x01\x60\x00\x00") + section(3, leb(n), strings.Repeat("\x00", n)) + section(5, "\x01\x00\x01") +
		section(10, leb(n), strings.Repeat(leb(len(body))+body, n)))
}

// TestScanRefuses gives the host modules that would cost a compiler or an instance more
// than a guest may, and some that nothing of this world could run. None is compiled.
func TestScanRefuses(t *testing.T) {
	preamble := "\x00asm\x01\x00\x00\x00"
	memory := section(5, "\x01\x00\x01")
	for _, test := range []struct {
		deed   string
		binary []byte
		says   string
	}{
		{"has_a_giant_function", function("\x00" + strings.Repeat("\x01", 1<<20) + "\x0b"), "function 0 has 1048578 bytes of code, at most 131072 are allowed (split it"},
		{"has_giant_locals", function("\x01" + leb(4_000_000_000) + "\x7f\x0b"), "4000000000 locals of body 0, at most 5000 are allowed"},
		{"has_a_giant_br_table", function("\x00\x41\x00\x0e" + leb(100_000) + strings.Repeat("\x00", 100_001) + "\x0b"), "function 0 has 100000 labels of a br_table, at most 32768 are allowed"},
		{"has_giant_depth", function("\x00" + strings.Repeat("\x02\x40", 20_000) + strings.Repeat("\x0b", 20_001)), "function 0 has blocks deeper than 2000"},
		{"has_a_table_bomb", []byte(preamble + section(4, "\x01\x70\x00"+leb(1<<31)) + memory), "its tables begin with 2147483648 elements, at most 262144 are allowed"},
		{"has_many_tables", []byte(preamble + section(4, leb(2000)+strings.Repeat("\x70\x00\x01", 2000)) + memory), "2000 tables, at most 8 are allowed"},
		{"has_two_memories", []byte(preamble + section(5, "\x02\x00\x01\x00\x01")), "it has 2 memories"},
		{"has_no_memory", []byte(preamble), "it has 0 memories"},
		{"has_many_functions", []byte(preamble + section(1, "\x01\x60\x00\x00") + section(3, leb(200_000)+strings.Repeat("\x00", 200_000)) + memory + section(10, leb(200_000)+strings.Repeat("\x02\x00\x0b", 200_000))), "200000 functions, at most 50000 are allowed"},
		{"has_many_types", []byte(preamble + section(1, leb(20_000)+strings.Repeat("\x60\x00\x00", 20_000)) + memory), "20000 types, at most 10000 are allowed"},
		{"has_many_globals", []byte(preamble + memory + section(6, leb(20_000)+strings.Repeat("\x7f\x00\x41\x00\x0b", 20_000))), "20000 globals, at most 10000 are allowed"},
		{"has_many_segments", []byte(preamble + memory + section(11, leb(200_000)+strings.Repeat("\x01\x00", 200_000))), "200000 data segments, at most 100000 are allowed"},
		{"has_many_locals_in_many_functions", functions(3000, "\x01"+leb(4000)+"\x7f\x0b"), "locals of all functions, at most 1048576 are allowed"},
		{"has_many_groups_of_locals", function("" + leb(6000) + strings.Repeat("\x00\x7f", 6000) + "\x0b"), "6000 local declarations, at most 5000 are allowed"},
		{"has_loops_without_number", function("\x00" + strings.Repeat("\x03\x40\x0b", 2000) + "\x0b"), "function 0 has 2000 loops, at most 200 are allowed"},
		{"has_blocks_without_number", function("\x00" + strings.Repeat("\x02\x40\x0b", 20_000) + "\x0b"), "function 0 has 20000 blocks, at most 3000 are allowed"},
		{"has_blocks_over_many_locals", function("\x01" + leb(4000) + "\x7f" + strings.Repeat("\x02\x40\x0b", 1000) + "\x0b"), "places where ways may meet times locals"},
		{"has_branches_without_number", function("\x00" + strings.Repeat("\x41\x00\x0d\x00", 20_000) + "\x0b"), "function 0 has 20000 branches and labels"},
		{"has_loops_in_many_functions", functions(1000, "\x00"+strings.Repeat("\x03\x40\x0b", 199)+"\x0b"), "its functions have 50148 loops, at most 50000 are allowed"},
		{"has_blocks_in_many_functions", functions(1000, "\x00"+strings.Repeat("\x02\x40\x0b", 2999)+"\x0b"), "pairs of blocks and branches"},
		{"has_millions_of_elements", []byte(preamble + section(1, "\x01\x60\x00\x00") + section(3, "\x01\x00") + section(4, "\x01\x70\x00\x01") + memory + section(9, "\x01\x01\x00"+leb(15_000_000)+strings.Repeat("\x00", 15_000_000)) + section(10, "\x01\x02\x00\x0b")), "15000000 elements of a segment, at most 262144 are allowed"},
		{"has_many_segments_of_elements", []byte(preamble + section(1, "\x01\x60\x00\x00") + section(3, "\x01\x00") + section(4, "\x01\x70\x00\x01") + memory + section(9, "\x03"+strings.Repeat("\x01\x00"+leb(100_000)+strings.Repeat("\x00", 100_000), 3)) + section(10, "\x01\x02\x00\x0b")), "300000 elements of segments, at most 262144 are allowed"},
		{"has_a_type_of_many_values", []byte(preamble + section(1, "\x01\x60"+leb(2000)+strings.Repeat("\x7f", 2000)+"\x00") + memory), "2000 parameters or results of a type, at most 1000 are allowed"},
		{"has_types_of_many_values", []byte(preamble + section(1, leb(200)+strings.Repeat("\x60"+leb(1000)+strings.Repeat("\x7f", 1000)+"\x00", 200)) + memory), "parameters and results of types, at most 100000 are allowed"},
		{"has_many_imports", []byte(preamble + section(1, "\x01\x60\x00\x00") + section(2, leb(5000)+strings.Repeat("\x00\x00\x00\x00", 5000)) + memory), "5000 imports, at most 1000 are allowed"},
		{"has_many_sections", []byte(preamble + strings.Repeat("\x00\x01\x00", 5000)), "1001 sections, at most 1000 are allowed"},
		{"has_a_shared_memory", []byte(preamble + section(5, "\x01\x03\x01\x02")), "no shared and no 64-bit memory"},
		{"has_tail_calls", function("\x00\x12\x00\x0b"), "switch off features beyond WebAssembly 2.0"},
		{"has_atomics", function("\x00\xfe\x03\x00\x0b"), "an unknown instruction 0xfe"},
		{"has_exceptions", function("\x00\x08\x00\x0b"), "an unknown instruction 0x08"},
		{"has_relaxed_vectors", function("\x00\xfd\x80\x02\x0b"), "an unknown instruction 0xfd 256"},
	} {
		t.Run(test.deed, func(t *testing.T) {
			_, err := load(t, "hostile", test.binary, guest.Options{Instances: 1})
			checkLoadError(t, err, guest.StepScan, test.says)
		})
	}
}
