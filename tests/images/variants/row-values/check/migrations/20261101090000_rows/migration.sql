UPDATE data.people SET age = -1;
