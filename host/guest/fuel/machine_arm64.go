package fuel

// wrongRemainders says that wazero's compiler may compute remainders of integers wrongly on
// this machine: 1.12.0 does (wazero#2508, mended after the last release). They are then
// computed from divisions.
const wrongRemainders = true
