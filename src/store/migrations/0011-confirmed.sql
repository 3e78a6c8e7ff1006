-- What a confirmed connection depends on.
set local search_path = countersign;

-- The token that the person had signed in to the console with: what they confirm ends with it.
alter table confirmation add column parent uuid references token (id);
