-- Where traces are sampled: so that the card, the click and the run belong to the trace of the held statement.
set local search_path = countersign;

alter table request add column traceparent text;
