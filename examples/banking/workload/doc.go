// Package workload makes the traffic of the banking example: what package certification has certified.
// What a host made of it is judged by package verdict, from the log and the database alone.
package workload
