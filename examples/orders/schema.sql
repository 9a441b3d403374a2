-- The tables of the orders example, in a schema of their own.
create schema shop;

create type shop.order_status as enum ('placed', 'paid', 'shipped', 'cancelled');

create table shop.orders (
    id        uuid              primary key,
    customer  text              not null,
    status    shop.order_status not null,
    status_at timestamptz       not null, -- since when it has this status
    remark    text,                       -- what was said when it got it
    placed_at timestamptz       not null,
    total     numeric           not null,
    tags      text[]            not null,
    details   jsonb,
    version   bigint            not null
);

create table shop.order_lines (
    order_id uuid    not null references shop.orders,
    line     bigint  not null, -- from 1
    sku      text    not null,
    quantity bigint  not null check (quantity > 0),
    price    numeric not null,
    version  bigint  not null,
    primary key (order_id, line)
);

-- How many units were sold of each article: a counter without a version, which nothing but the host
-- keeps from being counted twice.
create table shop.sales (
    sku  text   primary key,
    sold bigint not null
);
