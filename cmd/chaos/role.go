package main

import (
	"net/url"
	"strings"
)

// Hosts come as a role of their own, which the database can refuse a connection, a table or a password; the rest
// of the driver is a superuser, who is refused nothing.
const (
	role          = "cohort_host"
	firstPassword = "first"
	// otherRole is that of the other writer.
	otherRole = "cohort_initiator"
)

// sqlRole makes the role, which makes the host's own tables, and gives it what is there and what the superuser
// will make. And it makes the other writer's, whose transactions the server ends when a silent network has swallowed the rest: a row
// that one has locked would be locked for ever, for the proxy closes nothing.
const sqlRole = `create role ` + role + ` login password '` + firstPassword + `';
	alter database ` + database + ` owner to ` + role + `;
	grant all on schema public to ` + role + `;
	grant all on all tables in schema public to ` + role + `;
	alter default privileges in schema public grant all on tables to ` + role + `;
	alter default privileges in schema public grant all on sequences to ` + role + `;
	create role ` + otherRole + ` superuser login;
	alter role ` + otherRole + ` set idle_in_transaction_session_timeout = '5s'`

// as returns the address for a role with a password.
func as(address, role, password string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address // none of this program's own is so
	}
	u.User = url.UserPassword(role, password)
	return u.String()
}

// login is the file from which the host with these settings reads the address of its database.
func (w *world) login(settings string) string { return strings.TrimSuffix(settings, ".yaml") + ".url" }
