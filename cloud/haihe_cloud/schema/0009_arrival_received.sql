-- so that pruning the arrival log finds what is old, and does not walk along all that is not
CREATE INDEX arrival_received ON arrival(received_ms)
