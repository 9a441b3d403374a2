//go:build !arm64

package fuel

// wrongRemainders is true on arm64 alone; see there.
const wrongRemainders = false
