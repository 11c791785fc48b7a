"""What leaves the station, in which order, and what the centre says it holds.

``outbox`` decides, ``held`` keeps the receipts, ``backoff`` decides when to try again, ``forwarder`` does it.
"""
