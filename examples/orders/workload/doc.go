// Package workload makes the traffic of the orders example: orders that are placed, changed, paid, shipped and
// cancelled, which package certification has certified. What a host made of it is judged by package verdict, from
// the log and the database alone.
//
// A request reads and writes the key of its order, and writes those of the articles that it counts: nobody
// reads a counter before it is counted up, so two orders of one article are no conflict, and only keep their order.
package workload
