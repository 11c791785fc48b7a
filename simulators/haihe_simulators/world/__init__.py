"""Whole days of stations and centres with every fault, in one process, on one seed, in virtual time.

``day`` puts one together, ``faults`` draws what happens to it, ``account`` checks it without asking the code under
test, ``run`` plays many, ``mutate`` breaks the code on purpose and asks whether the world notices.
"""
