// Package wasm reads the binary format of WebAssembly, as far as a host must understand it
// before it trusts a module to a compiler: its sections, the types and limits that they
// declare, and the instructions of its code. It knows the 2.0 specification and nothing
// beyond: whatever else stands in a binary is refused, never passed over.
//
// It does not validate code: that the stack of a function is balanced, that its branches
// and locals exist, is the compiler's to say. It allocates little more than the module has entries, whatever a
// count in the binary claims.
package wasm
