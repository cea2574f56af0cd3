create table $name (id text, at text, price real, pieces integer);
insert into $name values ('a1', '$at1', 12.5, 2);
insert into $name values ('a2', '$at2', 3.2, 10);
insert into $name values ('a3', '$at3', 99, 1);
