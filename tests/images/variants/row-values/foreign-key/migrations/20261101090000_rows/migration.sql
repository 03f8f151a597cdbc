ALTER TABLE data.people ADD CONSTRAINT people_friend FOREIGN KEY (email) REFERENCES data.friends (email);
