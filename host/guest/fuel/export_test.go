package fuel

import "github.com/ichor-replicator/ichor/host/guest/wasm"

// RewriteRemainders is Rewrite on a machine whose remainders are wrong.
func RewriteRemainders(m *wasm.Module) ([]byte, error) { return rewrite(m, true) }
