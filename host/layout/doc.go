// Package layout has no code, only tests: which package may import what, where the doors to outside
// packages are, what is pure, how many goroutines are started where, how long a file may be, and
// which words names and prose do not use. It stands apart so that its tests link nothing of the host
// and answer at once.
package layout
