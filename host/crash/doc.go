// Package crash has the named points at which a host that was built for it ends itself, as if it were killed
// there. Only a binary that is built with -tags crashpoints does so, and only where the environment says so;
// in any other one At is empty and compiles to nothing.
package crash

// Variable names the variable of the environment that says where the process ends itself: a point, and how
// often it must have been passed for that, as in "before-commit:3". It is not one of the host's settings.
const Variable = "CRASH_AT"

// Points are the names of all points, in the order in which a host comes to them.
var Points = []string{
	"taken",          // the cohort is this host's, and nobody has heard a sign of life
	"module-stored",  // a guest's module is in the database, and does not convert
	"armed",          // it is written down that a module is wanted, and the core has not heard of it
	"cut-over",       // the core has given a module its first version, and nothing is written down of that
	"event-written",  // what became of guests is written down
	"before-commit",  // of a group, all or the rest of which is about to be sent
	"after-commit",   // it was sent, and the answer was not read
	"answered",       // the server confirmed it, and the core has not heard of it
	"cut-recorded",   // what was confirmed has a row of the guests' history, and the core has not heard of it
	"before-publish", // the resume point is durable, and the group's offset is not published
	"before-release", // everything is drained, and the cohort is not given away
}
