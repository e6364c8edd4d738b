-- Calls and last use of connections whose ids are neighbours stand together in one row. It holds those
-- from `low` on, up to the next row: the first eight bytes of an id as an integer, whose order is
-- theirs. What was there until now is moved by the program, and `activity_before` dropped.

ALTER TABLE activity RENAME TO activity_before;
CREATE TABLE activity (
  low         INTEGER PRIMARY KEY,
  connections INTEGER NOT NULL,
  row         BLOB    NOT NULL
) STRICT;
