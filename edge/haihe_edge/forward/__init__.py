"""What leaves the station, in which order, and what the centre says it holds.

``outbox`` decides, ``held`` keeps the receipts, ``forwarder`` does it, ``port`` says what it needs of others.
"""
