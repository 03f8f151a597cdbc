INSERT INTO data.people (email, age) SELECT email, NULL FROM data.people;
