CREATE UNIQUE INDEX people_email ON data.people (lower(email));
