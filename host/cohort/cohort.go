// Package cohort has the numbers by which the parts of a host name a cohort's guests, the generations
// of each, and the lanes to its database, and the history of its guests. Who may use which stands with the types.
package cohort

// GuestID is the place of a guest among those that the routes name, from 0 on.
type GuestID int32

// Generation is one module of a guest that is loaded. Each load has a number of its own, also of a
// module that was loaded before.
type Generation int32

// NoGeneration is that of a version which no guest has converted.
const NoGeneration Generation = -1

// Lane is one of the connections that install, from 0 on.
type Lane int
