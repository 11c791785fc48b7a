"""The world around Haihe, simulated: river, instruments, lines, links; demos of the whole; the balance.

river -> nature -> instrument -> line | modbus_server | gnss               what a station is wired to
link                                                                       between station and broker
ensemble -> story -> demo                                                  real processes, and what happens
evidence -> balance -> account                                             the independent oracle
"""
