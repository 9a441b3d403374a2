-- The cohort's table of the banking example, as the reference's samples have it.
create table if not exists bank_accounts (
    number  varchar(20)    primary key,
    name    varchar(20)    not null,
    amount  numeric(20, 5) not null,
    version bigint         not null
);
