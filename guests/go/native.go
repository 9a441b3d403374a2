//go:build !wasip1

package guest

// Serve does nothing outside WebAssembly, where there are no exports; a test calls Run.
func (p *Program) Serve() {}

// trusted says whether frames are used without a check of what they refer to.
const trusted = false
