//go:build !wasip1

package abi

import "embed"

// Source is this package's own code, as it goes into the projects of guests written in Go;
// they build without a network. A guest itself does not contain it.
//
//go:embed abi.go frame.go input.go inputbuilder.go layout.go manifest.go manifestcheck.go manifestfields.go nearest.go output.go outputbuilder.go text.go tokens.go
var Source embed.FS
