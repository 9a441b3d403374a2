// Package sim plays the whole system by a seed, in one goroutine: the real core (host/replicator with
// its queue and suffix) on one to four hosts, above a model of the log, of PostgreSQL, of guests and of
// a cohort's initiator that installs by itself, and operators. Everything that can be otherwise is drawn from the seed:
// the sizes, the options of the core, which faults there are, and what happens next. So a seed that
// fails is a report of a bug that can be played again.
//
// A play has two phases. First there are faults: hosts die, freeze and wake, connections are cut at any
// statement, commits lose their answers, backends go on without their clients, the server fails over to
// a copy that lacks commits. Then nothing fails any more, and everything that can be installed must be.
// After each commit of each server the checker compares the rows with a serial replay of the log. After some, and
// in the end, package books holds what the hosts wrote down against the log, as it does with a real database.
//
// No host stands by and holds records here. What it holds is what the log has from the owner's resume point on, and
// when it takes over the core is given these records as one that starts reads them: the same events in the same
// order, only sooner. So there is nothing that a core could do otherwise, and what is different, the reading and
// the letting go of what the owner has installed, is done by the shell, whose tests have real logs.
//
// Explore does the same without a seed for very small systems: it takes every turn that there is.
package sim
