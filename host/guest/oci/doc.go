// Package oci carries modules to and from registries of containers, and directories with the layout of
// one, as the CNCF lays WebAssembly out: a manifest with a config of application/vnd.wasm.config.v0+json and
// one layer of application/wasm. Signatures travel as an annotation of the manifest.
//
// What a registry answers is a stranger's: everything is bounded before it is read, and compared with the
// digest by which it was asked for. It is the only importer of oras-go.
package oci
