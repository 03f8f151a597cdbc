CREATE TABLE documents AS SELECT email::json AS body FROM data.people;
