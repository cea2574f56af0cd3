create table $name (id text, at text, price real, pieces integer);
insert into $name values ('a1', '2018-02-01T08:15:00Z', 12.5, 2);
insert into $name values ('a2', '2018-02-01T10:40:00Z', 3.2, 10);
insert into $name values ('a3', '2018-02-01T23:59:59Z', 99, 1);
