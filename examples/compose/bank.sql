-- The accounts of the bank, after the tables of examples/banking/schema.sql, and the role of hosts and initiator. One role makes
-- the schema and installs; host/RUNBOOK.md has the two that a deployment has.
insert into bank_accounts (number, name, amount, version)
    select lpad(n::text, 4, '0'), 'account ' || lpad(n::text, 4, '0'), 1000000, 0 from generate_series(1, 1000) as n;

create role ichor login password 'ichor';
grant create on database cohort to ichor;
grant create on schema public to ichor;
grant select, insert, update on bank_accounts to ichor;
