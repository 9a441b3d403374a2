package fuel

import "github.com/ichor-replicator/ichor/host/guest/wasm"

// RewriteRemainders is Rewrite on a machine whose remainders are wrong.
func RewriteRemainders(m *wasm.Module) ([]byte, error) { return rewrite(m, true) }

// Price is what an instruction costs by itself.
func Price(op wasm.Opcode) int64 { return int64(prices[op]) }
